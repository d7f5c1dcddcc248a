//! Logs, traces and metrics: set up once a process, off the network until a collector is configured.

mod context;
mod fields;
pub mod metrics;

pub use context::{TraceContext, with_context};

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::{LogFormat, TelemetryConfig};

/// Longest time to hand one batch to the collector, and to flush at the end.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("the log filter does not parse")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The exporter cannot be built.
    #[error("the OTLP exporter cannot be built")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Somebody has set it up already.
    #[error("telemetry is set up already")]
    Again(#[from] tracing_subscriber::util::TryInitError),
}

/// Keeps telemetry running; [`flush`](Self::flush) hands out what is left.
#[must_use = "telemetry stops when this is dropped"]
#[derive(Default)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

/// Sets up telemetry for the process. Must be called inside a runtime when a collector is configured.
///
/// # Errors
/// [`TelemetryError`].
pub fn init(config: &TelemetryConfig, service: &'static str) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&config.log_filter)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Json => lines.json().flatten_event(true).fmt_fields(fields::JsonFields).boxed(),
        LogFormat::Text => lines.boxed(),
    };
    let endpoint = Some(config.otlp_endpoint.as_str()).filter(|endpoint| !endpoint.is_empty());
    metrics::install(endpoint, service)?;
    let traces = endpoint.map(|endpoint| tracer_provider(endpoint, service)).transpose()?;
    let spans = traces.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer(service)));
    if traces.is_some() {
        context::record_spans();
    }
    tracing_subscriber::registry().with(filter).with(lines).with(spans).try_init()?;
    Ok(Telemetry { traces })
}

fn tracer_provider(endpoint: &str, service: &'static str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT).build()?;
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource(service)).build())
}

fn resource(service: &'static str) -> Resource {
    Resource::builder().with_service_name(service).build()
}

impl Telemetry {
    /// Hands out what has not been sent; waits at most a few seconds. Call it outside of async code.
    pub fn flush(self) {
        if let Some(traces) = self.traces {
            let _ = traces.shutdown_with_timeout(EXPORT_TIMEOUT);
        }
        metrics::shutdown(EXPORT_TIMEOUT);
    }
}
