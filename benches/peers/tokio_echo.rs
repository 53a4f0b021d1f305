//! An echo as it is written with tokio, in one process of one thread: `scripts/bench echo` puts it beside ours.
//!
//! ```text
//! cargo bench --bench tokio_echo -- tcp 127.0.0.1:7007
//! cargo bench --bench tokio_echo -- udp 127.0.0.1:7007
//! ```
#![allow(clippy::print_stderr, reason = "a program that is only started to be measured")]

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
};

fn main() -> io::Result<()> {
    // Cargo itself passes `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tcp", address] => runtime.block_on(streams(address)),
        ["udp", address] => runtime.block_on(datagrams(address)),
        _ => {
            eprintln!("tokio_echo tcp|udp ADDRESS:PORT");
            Ok(())
        }
    }
}

async fn streams(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(echo(stream));
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = vec![0; 8192];
    loop {
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&bytes[..count]).await?;
    }
}

async fn datagrams(address: &str) -> io::Result<()> {
    let socket = UdpSocket::bind(address).await?;
    let mut bytes = vec![0; 65536];
    loop {
        // An error is one of an earlier answer: a client that has gone.
        if let Ok((count, from)) = socket.recv_from(&mut bytes).await {
            let _ = socket.send_to(&bytes[..count], from).await;
        }
    }
}
