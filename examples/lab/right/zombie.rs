//! A child that ends with code 7 and is not collected until a line comes. No crate: four calls of the C library.
unsafe extern "C" {
    fn fork() -> i32;
    fn _exit(code: i32) -> !;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
}

fn main() {
    // SAFETY: this process has one thread.
    let pid = unsafe { fork() };
    if pid == 0 {
        // SAFETY: it takes any number and does not return.
        unsafe { _exit(7) }
    }
    line();
    // SAFETY: a null status is allowed.
    unsafe { waitpid(pid, std::ptr::null_mut(), 0) };
    line();
}

fn line() {
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
}
