//! What registries answer when they do not do what was asked, in words.

use landfall_repository::problem::{SourceError, SourceProblem};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use reqwest::StatusCode;

/// Puts an error into words; `is_login_sent` tells missing from wrong credentials.
pub(crate) fn explain(url: &str, error: &OciDistributionError, is_login_sent: bool) -> SourceError {
    let of = |problem, reason: String| SourceError::of(problem, url, reason);
    let not_let_in =
        if is_login_sent { SourceProblem::AuthenticationFailed } else { SourceProblem::AuthenticationRequired };
    match error {
        OciDistributionError::RequestError(error) => match error.status() {
            Some(status) => landfall_http::refusal(url, status, is_login_sent),
            None => landfall_http::failure(url, error),
        },
        OciDistributionError::AuthenticationFailure(_) | OciDistributionError::UnauthorizedError { .. } => {
            of(not_let_in, "the registry does not let us in".to_owned())
        }
        OciDistributionError::ImageManifestNotFoundError(_) => {
            of(SourceProblem::UnknownRevision, "the registry has no such tag or digest".to_owned())
        }
        OciDistributionError::RegistryError { envelope, .. } => {
            let Some(first) = envelope.errors.first() else {
                return of(SourceProblem::Broken, "the registry refused without saying why".to_owned());
            };
            let problem = match &first.code {
                OciErrorCode::Unauthorized => not_let_in,
                OciErrorCode::Denied => SourceProblem::Forbidden,
                OciErrorCode::ManifestUnknown => SourceProblem::UnknownRevision,
                OciErrorCode::NameUnknown
                | OciErrorCode::NotFound
                | OciErrorCode::BlobUnknown
                | OciErrorCode::ManifestBlobUnknown => SourceProblem::NotFound,
                OciErrorCode::NameInvalid | OciErrorCode::TagInvalid => SourceProblem::Invalid,
                OciErrorCode::Toomanyrequests => SourceProblem::Unreachable,
                OciErrorCode::Unsupported => SourceProblem::Unsupported,
                OciErrorCode::BlobUploadInvalid
                | OciErrorCode::BlobUploadUnknown
                | OciErrorCode::DigestInvalid
                | OciErrorCode::ManifestInvalid
                | OciErrorCode::ManifestUnverified
                | OciErrorCode::SizeInvalid
                | OciErrorCode::Other(_) => SourceProblem::Broken,
            };
            of(problem, format!("the registry answered {:?}: {}", first.code, first.message))
        }
        OciDistributionError::ServerError { code, message, .. } => match StatusCode::from_u16(*code) {
            Ok(status) => landfall_http::refusal(url, status, is_login_sent),
            Err(_) => of(SourceProblem::Broken, format!("the registry answered {code}: {message}")),
        },
        OciDistributionError::UnsupportedMediaTypeError(_)
        | OciDistributionError::UnsupportedSchemaVersionError(_)
        | OciDistributionError::ImageIndexParsingNoPlatformResolverError => {
            of(SourceProblem::Unsupported, error.to_string())
        }
        _ => of(SourceProblem::Broken, error.to_string()),
    }
}
