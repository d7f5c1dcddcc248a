//! What needs the machine for itself.

mod timing;
