//! Names that lead where a test wants, and somewhere else the next time.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use futures::future::{BoxFuture, ready};
use svc_kit::egress::{Network, Resolve};

/// What names lead to: one list after the other, and the last one from then on.
#[derive(Clone, Default)]
pub struct Names(Arc<Mutex<HashMap<String, Vec<Vec<IpAddr>>>>>);

impl Names {
    pub fn lead(&self, name: &str, to: &[&[&str]]) {
        let parse = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        self.0.lock().unwrap().insert(name.to_owned(), to.iter().map(parse).collect());
    }

    pub fn network(&self) -> Network {
        Network { resolver: Arc::new(self.clone()), extra_roots: Vec::new() }
    }
}

impl Resolve for Names {
    fn resolve<'n>(&'n self, name: &'n str) -> BoxFuture<'n, io::Result<Vec<IpAddr>>> {
        let mut names = self.0.lock().unwrap();
        let found = names
            .get_mut(name.trim_end_matches('.'))
            .map(|lists| if lists.len() > 1 { lists.remove(0) } else { lists[0].clone() });
        Box::pin(ready(found.ok_or_else(|| io::ErrorKind::NotFound.into())))
    }
}
