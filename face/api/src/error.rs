//! The one error of the API: a code, a message, and what to do about it.

use std::fmt;

use serde::Serialize;

/// What kind of refusal it is; the numbers are gRPC's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[repr(u8)]
pub enum Code {
    /// The caller went away.
    Canceled = 1,
    /// Nothing better is known.
    Unknown = 2,
    /// The request is wrong whatever the state is.
    InvalidArgument = 3,
    /// It took too long.
    DeadlineExceeded = 4,
    /// There is no such thing.
    NotFound = 5,
    /// It is there already.
    AlreadyExists = 6,
    /// The caller is known and may not.
    PermissionDenied = 7,
    /// Too much was asked for.
    ResourceExhausted = 8,
    /// The state does not permit it.
    FailedPrecondition = 9,
    /// Somebody else was faster.
    Aborted = 10,
    /// Beyond what there is.
    OutOfRange = 11,
    /// Not there yet, or not meant to be.
    Unimplemented = 12,
    /// A fault of ours, or of what we rely on.
    Internal = 13,
    /// Try again later.
    Unavailable = 14,
    /// Who calls is not known.
    Unauthenticated = 16,
}

impl Code {
    /// The status of the HTTP answer. Source: the mapping of grpc-gateway 1.16.
    pub fn http_status(self) -> u16 {
        match self {
            Self::Canceled => 408,
            Self::InvalidArgument | Self::OutOfRange => 400,
            Self::FailedPrecondition => 400,
            Self::DeadlineExceeded => 504,
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Aborted => 409,
            Self::PermissionDenied => 403,
            Self::ResourceExhausted => 429,
            Self::Unimplemented => 501,
            Self::Unknown | Self::Internal => 500,
            Self::Unavailable => 503,
            Self::Unauthenticated => 401,
        }
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiError {
    /// What kind of refusal.
    pub code: Code,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it; `""` if there is nothing to say.
    pub hint: String,
}

impl ApiError {
    /// Makes an error without a hint.
    pub fn of(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: String::new() }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The request is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::of(Code::InvalidArgument, message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::of(Code::NotFound, message)
    }

    /// The caller may not. The message is Argo CD's, because scripts look for it.
    pub fn denied(resource: &str, action: &str, object: &str, subject: &str) -> Self {
        let message = format!("permission denied: {resource}, {action}, {object}, sub: {subject}");
        Self::of(Code::PermissionDenied, message)
    }

    /// The caller may not, and is not told more than that.
    pub fn denied_plainly() -> Self {
        Self::of(Code::PermissionDenied, "permission denied")
    }

    /// Who calls is not known.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::of(Code::Unauthenticated, message)
    }

    /// The state does not permit it.
    pub fn precondition(message: impl Into<String>) -> Self {
        Self::of(Code::FailedPrecondition, message)
    }

    /// It is there already.
    pub fn exists(message: impl Into<String>) -> Self {
        Self::of(Code::AlreadyExists, message)
    }

    /// Not there yet.
    pub fn unimplemented(message: impl Into<String>) -> Self {
        Self::of(Code::Unimplemented, message)
    }

    /// A fault of ours, or of what we rely on.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::of(Code::Internal, message)
    }

    /// Message and hint as one text, for clients that show one.
    pub fn text(&self) -> String {
        if self.hint.is_empty() { self.message.clone() } else { format!("{}; {}", self.message, self.hint) }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text())
    }
}

impl std::error::Error for ApiError {}
