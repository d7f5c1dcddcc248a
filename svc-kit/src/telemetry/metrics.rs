//! Metrics: OpenTelemetry instruments, read by Prometheus at `/metrics` and pushed by OTLP when a collector is configured.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use opentelemetry::metrics::Meter;
use opentelemetry_otlp::{MetricExporter, WithExportConfig as _};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use prometheus::{Encoder as _, Registry, TextEncoder};

use super::{EXPORT_TIMEOUT, TelemetryError, resource};

static REGISTRY: OnceLock<Registry> = OnceLock::new();
static PROVIDER: Mutex<Option<SdkMeterProvider>> = Mutex::new(None);

/// Installs the process's meter provider; only the first call has an effect.
///
/// # Errors
/// [`TelemetryError::Exporter`] when a collector is given and its exporter cannot be built.
pub fn install(otlp_endpoint: Option<&str>, service: &'static str) -> Result<(), TelemetryError> {
    let mut installed = PROVIDER.lock().unwrap_or_else(PoisonError::into_inner);
    if installed.is_some() {
        return Ok(());
    }
    let registry = Registry::new();
    let mut provider = SdkMeterProvider::builder().with_resource(resource(service));
    match opentelemetry_prometheus::exporter().with_registry(registry.clone()).build() {
        Ok(reader) => provider = provider.with_reader(reader),
        Err(error) => tracing::error!(error = error.to_string(), "metrics cannot be offered to Prometheus"),
    }
    if let Some(endpoint) = otlp_endpoint {
        let exporter = MetricExporter::builder().with_tonic();
        let exporter = exporter.with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT).build()?;
        provider = provider.with_reader(PeriodicReader::builder(exporter).build());
    }
    let provider = provider.build();
    opentelemetry::global::set_meter_provider(provider.clone());
    let _ = REGISTRY.set(registry);
    *installed = Some(provider);
    Ok(())
}

/// Returns a meter for the instruments of one part of a service.
pub fn meter(name: &'static str) -> Meter {
    opentelemetry::global::meter(name)
}

/// Returns every metric in the text format of Prometheus.
pub fn render() -> String {
    let Some(registry) = REGISTRY.get() else { return String::new() };
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&registry.gather(), &mut text) {
        tracing::error!(error = error.to_string(), "metrics cannot be written");
    }
    String::from_utf8(text).unwrap_or_default()
}

/// Pushes what has not been sent.
pub(super) fn shutdown(timeout: Duration) {
    if let Some(provider) = PROVIDER.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        let _ = provider.shutdown_with_timeout(timeout);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_shows_up_for_prometheus() {
        install(None, "test").unwrap();
        install(None, "test").unwrap();
        meter("test").u64_counter("things_counted").build().add(3, &[]);
        // Whatever labels the exporter adds.
        let is_it = |line: &str| line.starts_with("things_counted_total") && line.ends_with(" 3");
        assert!(render().lines().any(is_it), "{}", render());
    }
}
