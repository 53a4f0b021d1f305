//! What forkd promises, told as stories about the real program: each starts servers of its own on ports of the
//! kernel's choice, does something to them, and ends by checking that nothing is left of them.
//!
//! `cargo test --test stories reload` runs one file of them.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod balance;
mod chat;
mod chat_attacks;
mod chat_killed;
mod chat_upgrade;
mod clean_env;
mod config;
mod corpus;
mod daemon;
mod drop_master;
mod engine;
mod examples;
mod examples_sockets;
mod explain;
mod files;
mod files_cut;
mod files_refused;
mod first_process;
mod http_strict;
mod lab;
mod lab_learners;
mod library;
mod limits;
mod logs;
mod manager;
mod models;
mod orphans;
mod privileges;
mod programs;
mod range;
mod recycle;
mod reload;
mod rotation;
mod sandbox;
mod scale_fails;
mod scoreboard;
mod serving;
mod signals;
mod site;
mod slow_clients;
mod stop;
mod supervise;
mod tree;
mod upgrade;
mod upgrade_fails;
mod upgrade_meanwhile;
