//! Who is let in when there is more to do than can be done at once.
//!
//! A service works on so many calls at a time ([`ServerConfig::concurrency_max`](crate::config::ServerConfig)); the others are
//! refused at once, with a hint when to try again, so that those inside keep their deadlines. Two rules say whom:
//!
//! - **What matters less goes first.** Each [`Importance`] may fill the service up to a mark of its own. As work piles up
//!   nothing new is started, then nothing is checked, then nothing is kept going; what ends something is refused last.
//! - **Nobody takes the room of others.** Once half of the places are taken, a tenant holds no more than an equal share of
//!   them, and a quarter stays free for tenants that have nothing in work. A caller that belongs to no tenant counts as one.
//!
//! A place is taken when it is known who calls, so that a flood of refused calls takes none.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http::{Request, Response};
use opentelemetry::{KeyValue, metrics::Counter};
use tonic::body::Body;
use tower::{Layer, Service};

use super::ServerError;
use crate::{
    access::{Caller, Importance},
    error::{ServiceError as _, to_status},
    telemetry::metrics,
};

/// The part of the places that stays free for tenants that have nothing in work: one in so many.
const SPARE_PART: usize = 4;

/// The mark up to which calls of an importance may fill the service, in percent.
const fn mark_percent(importance: Importance) -> usize {
    match importance {
        Importance::Low => 70,
        Importance::Normal => 80,
        Importance::High => 90,
        Importance::Highest => 100,
    }
}

/// Lets calls in; see the module.
#[derive(Clone)]
pub struct AdmissionLayer {
    places: Arc<Places>,
}

impl AdmissionLayer {
    /// Makes a layer that lets in `concurrency_max` calls at a time.
    pub fn new(concurrency_max: usize) -> Self {
        let refused = metrics::meter("grpc").u64_counter("rpc_server_refused").build();
        Self { places: Arc::new(Places { concurrency_max, taken: Mutex::default(), refused }) }
    }
}

struct Places {
    concurrency_max: usize,
    taken: Mutex<Taken>,
    refused: Counter<u64>,
}

#[derive(Default)]
struct Taken {
    total: usize,
    by: HashMap<String, usize>,
}

/// A place, held while a call is in work.
struct Place {
    places: Arc<Places>,
    caller: Arc<Caller>,
}

/// Whose calls are counted together.
fn party(caller: &Caller) -> &str {
    caller.tenant.as_deref().unwrap_or(&caller.subject)
}

impl Places {
    fn take(self: &Arc<Self>, importance: Importance, caller: &Arc<Caller>) -> Result<Place, ServerError> {
        let mark = (self.concurrency_max * mark_percent(importance)).div_ceil(100);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let held = taken.by.get(party(caller)).copied().unwrap_or(0);
        let parties = taken.by.len() + usize::from(held == 0);
        let share = ((mark - mark / SPARE_PART) / parties).max(1);
        if taken.total >= mark {
            return Err(ServerError::Overloaded);
        }
        if taken.total >= mark / 2 && held >= share {
            return Err(ServerError::ShareExceeded);
        }
        taken.total += 1;
        match taken.by.get_mut(party(caller)) {
            Some(held) => *held += 1,
            None => drop(taken.by.insert(party(caller).to_owned(), 1)),
        }
        Ok(Place { places: self.clone(), caller: caller.clone() })
    }

    fn refuse(&self, error: ServerError, importance: Importance) -> Response<Body> {
        let labels = [KeyValue::new("reason", error.reason()), KeyValue::new("importance", importance.name())];
        self.refused.add(1, &labels);
        to_status(&error).into_http()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        let party = party(&self.caller);
        match taken.by.get_mut(party) {
            Some(held) if *held > 1 => *held -= 1,
            _ => drop(taken.by.remove(party)),
        }
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = AdmissionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AdmissionService { inner, layer: self.clone() }
    }
}

/// A server that lets calls in as the module says.
#[derive(Clone)]
pub struct AdmissionService<S> {
    inner: S,
    layer: AdmissionLayer,
}

impl<S> Service<Request<Body>> for AdmissionService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let extensions = request.extensions();
        let found = (extensions.get::<Importance>(), extensions.get::<Arc<Caller>>());
        // What is open to everybody, health and reflection, has no caller and is always answered.
        let (Some(importance), Some(caller)) = found else { return Box::pin(self.inner.call(request)) };
        match self.layer.places.take(*importance, caller) {
            Ok(place) => {
                let call = self.inner.call(request);
                Box::pin(async move {
                    let _place = place;
                    call.await
                })
            }
            Err(error) => {
                let refused = self.layer.places.refuse(error, *importance);
                Box::pin(async move { Ok(refused) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;
    use tower::ServiceExt as _;

    use super::*;
    use crate::{access::Scopes, error::reason_of};

    const ALL: [Importance; 4] = [Importance::Low, Importance::Normal, Importance::High, Importance::Highest];

    fn caller(tenant: &str) -> Arc<Caller> {
        Arc::new(Caller { subject: "backend".into(), tenant: Some(tenant.to_owned()), scopes: Scopes::All })
    }

    fn places(concurrency_max: usize) -> Arc<Places> {
        AdmissionLayer::new(concurrency_max).places
    }

    /// Takes places until one is refused.
    fn fill(places: &Arc<Places>, importance: Importance, tenant: &str) -> (Vec<Place>, ServerError) {
        let mut held = Vec::new();
        loop {
            match places.take(importance, &caller(tenant)) {
                Ok(place) => held.push(place),
                Err(error) => return (held, error),
            }
        }
    }

    #[test]
    fn what_matters_less_is_refused_first() {
        let places = places(100);
        // Each of many tenants, so that no share is exceeded.
        let mut held = Vec::new();
        for (importance, mark) in ALL.into_iter().zip([70, 80, 90, 100]) {
            while held.len() < mark {
                let tenant = format!("t{}", held.len());
                held.push(
                    places.take(importance, &caller(&tenant)).unwrap_or_else(|error| panic!("{error} at {mark}")),
                );
            }
            for refused in ALL.into_iter().filter(|other| mark_percent(*other) <= mark) {
                assert_eq!(places.take(refused, &caller("late")).err(), Some(ServerError::Overloaded), "{refused:?}");
            }
        }
        held.truncate(69);
        assert!(ALL.into_iter().all(|importance| places.take(importance, &caller("late")).is_ok()));
    }

    #[test]
    fn a_flood_of_one_tenant_leaves_room_for_the_others() {
        let places = places(100);
        let (flood, refused) = fill(&places, Importance::Normal, "loud");
        assert_eq!((flood.len(), refused), (60, ServerError::ShareExceeded));
        // A second flood gets what is left, and neither of them anything of what the other gives back.
        let (second, refused) = fill(&places, Importance::Normal, "loud too");
        assert_eq!((second.len(), refused), (20, ServerError::Overloaded));
        drop(flood);
        let (first, refused) = fill(&places, Importance::Normal, "loud");
        assert_eq!((first.len(), refused), (30, ServerError::ShareExceeded));
        // And whoever has nothing in work is let in.
        let quiet = places.take(Importance::Normal, &caller("quiet")).err();
        assert_eq!(quiet, None);
    }

    #[test]
    fn a_place_is_given_back_whatever_becomes_of_the_call() {
        let places = places(1);
        for _ in 0..3 {
            let place = places.take(Importance::Low, &caller("acme")).unwrap_or_else(|error| panic!("{error}"));
            assert!(places.take(Importance::Highest, &caller("acme")).is_err());
            drop(place);
        }
        let taken = places.taken.lock().unwrap();
        assert_eq!((taken.total, taken.by.len()), (0, 0), "nothing is remembered of who was here");
    }

    #[tokio::test]
    async fn a_refused_call_says_when_to_try_again_and_an_open_one_is_answered() {
        let layer = AdmissionLayer::new(1);
        let _held = layer.places.take(Importance::Highest, &caller("acme")).unwrap_or_else(|error| panic!("{error}"));
        let inner = tower::service_fn(async |_: Request<Body>| Ok(Response::new(Body::empty())));
        let ask = |request: Request<Body>| layer.layer(inner).oneshot(request);
        let mut request = Request::new(Body::empty());
        assert!(Status::from_header_map(ask(request).await.unwrap().headers()).is_none());
        request = Request::new(Body::empty());
        request.extensions_mut().insert(Importance::Highest);
        request.extensions_mut().insert(caller("other"));
        let status = Status::from_header_map(ask(request).await.unwrap().headers()).unwrap();
        assert_eq!(reason_of(&status).as_deref(), Some("OVERLOADED"));
        assert!(tonic_types::StatusExt::get_details_retry_info(&status).is_some());
    }
}
