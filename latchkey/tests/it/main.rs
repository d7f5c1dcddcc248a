//! Runs the real program, where needed against the development stack in this process.

mod program;
mod receive;
mod usage;
