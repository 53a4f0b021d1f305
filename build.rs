//! Has the linker lay the code that serves requests side by side: see `scripts/serving.ld`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=scripts/serving.ld");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|is| is == value);
    // The script is in the language of GNU ld, which lld speaks too; mold does not, and says so by failing.
    let mold = env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("mold"));
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") && !mold {
        let root = env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{root}/scripts/serving.ld");
        println!("cargo::rustc-link-arg-examples=-Wl,-T,{root}/scripts/serving.ld");
    }
}
