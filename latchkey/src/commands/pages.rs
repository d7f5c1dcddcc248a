//! Lists that come in pages: how many to read, and reading them.

use clap::Args;
use tonic::Status;

use crate::output::Output;

/// Most items that a service puts on one page.
const PAGE_MAX: usize = 500;

/// How much of a list to read.
#[derive(Args, Clone, Copy, Debug)]
pub struct Limit {
    /// Most items to list.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// The start of a list.
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    has_more: bool,
}

impl<T> Listed<T> {
    /// Tells when there is more than was read.
    pub fn tell(&self, output: &mut Output, things: &str) {
        match (self.items.len(), self.has_more) {
            (0, _) => output.note(&format!("no {things}")),
            (count, true) => output.note(&format!("only the first {count} {things}; --limit reads more")),
            (_, false) => {}
        }
    }
}

impl Limit {
    /// The whole list.
    pub const NONE: Self = Self { limit: u32::MAX };

    /// Reads pages until the limit is reached or the list ends. `page` gets a page size and a page token.
    ///
    /// # Errors
    /// The first failure of `page`.
    pub async fn read<T>(
        self,
        mut page: impl AsyncFnMut(i32, String) -> Result<(Vec<T>, String), Status>,
    ) -> Result<Listed<T>, Status> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let (mut items, mut token) = (Vec::new(), String::new());
        loop {
            let size = i32::try_from((limit - items.len()).min(PAGE_MAX)).unwrap_or(i32::MAX);
            let (more, next) = page(size, token).await?;
            items.extend(more);
            token = next;
            if token.is_empty() || items.len() >= limit {
                let has_more = !token.is_empty() || items.len() > limit;
                items.truncate(limit);
                return Ok(Listed { items, has_more });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(limit: u32, stored: usize) -> (usize, bool, Vec<i32>) {
        let mut sizes = Vec::new();
        let listed = Limit { limit }
            .read(async |size, token| {
                sizes.push(size);
                let from: usize = token.parse().unwrap_or(0);
                let to = (from + usize::try_from(size).unwrap()).min(stored);
                let next = if to < stored { to.to_string() } else { String::new() };
                Ok(((from..to).collect::<Vec<_>>(), next))
            })
            .await
            .unwrap();
        assert!(listed.items.iter().copied().eq(0..listed.items.len()));
        (listed.items.len(), listed.has_more, sizes)
    }

    #[tokio::test]
    async fn pages_are_read_until_the_limit() {
        assert_eq!(read(100, 20).await, (20, false, vec![100]));
        assert_eq!(read(1200, 5000).await, (1200, true, vec![500, 500, 200]));
        assert_eq!(read(1000, 1000).await, (1000, false, vec![500, 500]));
    }
}
