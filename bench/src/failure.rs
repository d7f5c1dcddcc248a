//! Why a measurement stopped.

/// Why a measurement stopped.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The system refused something.
    #[error("the system refused something")]
    System(#[from] std::io::Error),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// A server of ours did not come up.
    #[error("{0} did not come up; see {1}")]
    NotUp(String, String),
    /// A call failed that must not.
    #[error("a call failed: {0}")]
    Call(#[from] Box<tonic::Status>),
    /// A server cannot be reached.
    #[error("a server cannot be reached")]
    Transport(#[from] tonic::transport::Error),
    /// Redis failed.
    #[error("Redis failed")]
    Redis(#[from] redis::RedisError),
    /// PostgreSQL failed.
    #[error("PostgreSQL failed")]
    Postgres(#[from] sqlx::Error),
    /// RabbitMQ failed.
    #[error("RabbitMQ failed")]
    Rabbit(#[from] lapin::Error),
    /// Something of the services cannot be started here.
    #[error("a part cannot be started")]
    Boot(#[from] svc_kit::boot::BootError),
    /// A request over HTTP failed.
    #[error("a request failed")]
    Http(#[from] reqwest::Error),
    /// An answer is not what it must be: the figures would mean nothing.
    #[error("unexpected: {0}")]
    Unexpected(String),
    /// The report cannot be written.
    #[error("the report cannot be written")]
    Report(#[from] serde_json::Error),
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}
