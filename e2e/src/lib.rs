//! Tests of the whole path, from the hosted sign-in page to the delivered webhook, and of the workspace's shape.
//!
//! There is no library here; the tests are in `tests/`. The binary beside this file is one of the three services as a
//! process, for tests that kill one.
