//! The hosted pages in Chromium, as people use them: with and without scripts, by keyboard alone, on small screens, in the
//! dark. Screenshots are kept beside the build, for people to look at.

mod account;
mod application;
mod device;
mod driver;
mod frames;
mod new_password;
mod people;
mod sight;
mod single_page;

use application::Application;
use driver::{Browser, Look};

use crate::support::Stack;

/// A server, and an application that a browser can really open.
async fn started() -> (Stack, Application) {
    let application = Application::start().await;
    (Stack::start_with(&application.seed()).await, application)
}
