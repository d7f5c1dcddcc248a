//! Calls of any RPC with any bytes: no generated client would send what is wrong.

use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

/// Longer than any deadline of a service: a call that takes this long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(15);

/// Calls one service.
#[derive(Clone)]
pub struct RawClient(Channel);

impl RawClient {
    pub fn new(url: &str) -> Self {
        Self(svc_kit::client::channel(url, HANGS_AFTER).unwrap())
    }

    /// Calls `method` with these bytes as the message.
    pub async fn call_bytes(
        &self,
        method: &MethodDescriptor,
        credential: Option<&str>,
        message: Bytes,
    ) -> Result<DynamicMessage, Status> {
        let mut request = Request::new(message);
        if let Some(credential) = credential {
            request.metadata_mut().insert("authorization", format!("Bearer {credential}").parse().unwrap());
        }
        let mut client = Grpc::new(self.0.clone());
        let ready = client.ready().await;
        ready.unwrap_or_else(|error| panic!("{}: nobody there: {error}", method.full_name()));
        let path = proto::descriptor::path(method).parse().unwrap();
        let answer = if method.is_server_streaming() {
            // A stream says at once that it stands.
            let mut stream = client.server_streaming(request, path, RawCodec).await?.into_inner();
            stream.message().await?.unwrap_or_default()
        } else {
            client.unary(request, path, RawCodec).await?.into_inner()
        };
        DynamicMessage::decode(method.output(), answer).map_err(|error| Status::new(Code::DataLoss, error.to_string()))
    }

    /// Calls `method` with a message.
    pub async fn call(
        &self,
        method: &MethodDescriptor,
        credential: Option<&str>,
        message: &DynamicMessage,
    ) -> Result<DynamicMessage, Status> {
        self.call_bytes(method, credential, prost::Message::encode_to_vec(message).into()).await
    }
}

/// Returns the stable reason that a refusal carries.
pub fn reason_of(status: &Status) -> String {
    svc_kit::error::reason_of(status).unwrap_or_else(|| format!("no reason: {status:?}"))
}

/// Leaves messages as they are.
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
    }
}
