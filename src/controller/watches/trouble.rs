//! The failure of a watch, in words.

use kube::{core::Status, runtime::watcher};

/// The length up to which the API server's message is shown.
const SAID_MAX: usize = 200;

/// The API server's answer in an error of a watch, if it is one.
pub(super) fn status(error: &watcher::Error) -> Option<&Status> {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status))
        | WatchError(status) => Some(status),
        _ => None,
    }
}

/// The cause for which a watch does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) enum Trouble {
    Unknown,
    Refused,
    /// Any other answer: its status and message.
    Answered(u16, String),
    /// An answer that is none.
    Malformed,
    Unanswered,
}

impl Trouble {
    pub(in crate::controller) fn of(error: &watcher::Error) -> Self {
        use kube::Error::SerdeError;
        use watcher::Error::{InitialListFailed, NoResourceVersion, WatchFailed};
        let Some(status) = status(error) else {
            let garbled = matches!(
                error,
                InitialListFailed(SerdeError(_)) | WatchFailed(SerdeError(_)) | NoResourceVersion
            );
            return if garbled { Self::Malformed } else { Self::Unanswered };
        };
        match status.code {
            403 => Self::Refused,
            404 => Self::Unknown,
            code => {
                let said = if status.message.is_empty() { &status.reason } else { &status.message };
                Self::Answered(code, said.chars().filter(|it| !it.is_control()).take(SAID_MAX).collect())
            }
        }
    }

    /// Returns whether the API server only asks to wait, as it does while it starts.
    pub(in crate::controller) fn is_a_request_to_wait(&self) -> bool {
        matches!(self, Self::Answered(429, _))
    }

    pub(in crate::controller) fn advice(&self) -> String {
        match self {
            Self::Unknown => "the API server does not know this resource; install Credwright's CRDs".to_owned(),
            Self::Refused => "listing is forbidden; give Credwright's ServiceAccount its roles".to_owned(),
            Self::Answered(401, _) => {
                "the API server does not accept Credwright's token (401); give the pod a token of its ServiceAccount".to_owned()
            }
            Self::Answered(429, said) => format!("the API server asks to wait (429: {said})"),
            Self::Answered(code @ 500.., said) => format!("the API server fails ({code}: {said})"),
            Self::Answered(code @ (400 | 422), said) => format!(
                "the API server refuses the request ({code}: {said}); if it streams no lists, run Credwright with --paged-lists"
            ),
            Self::Answered(code, said) => format!("the API server refuses the request ({code}: {said})"),
            Self::Malformed => "the API server's answer cannot be read; check any proxy between it and Credwright".to_owned(),
            Self::Unanswered => "the API server does not answer".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_tells_forbidden_lists_from_unanswered_ones() {
        use kube::core::Status;
        let refused = |code: u16, message: &str| {
            let status = Status::failure(message, "").with_code(code).boxed();
            Trouble::of(&watcher::Error::InitialListFailed(kube::Error::Api(status))).advice()
        };
        let said = "storage is (re)initializing";
        assert_eq!(refused(429, said), format!("the API server asks to wait (429: {said})"));
        for code in [400, 401, 403, 404, 406, 410, 422, 429, 500, 503] {
            let advice = refused(code, &format!("said {}", "x".repeat(1000)));
            assert!(!advice.contains("does not answer") && advice.len() < 400, "{code}: {advice}");
        }
        assert!(refused(422, "sendInitialEvents is forbidden").contains("--paged-lists"));
        let silent = watcher::Error::WatchStartFailed(kube::Error::LinesCodecMaxLineLengthExceeded);
        assert_eq!(Trouble::of(&silent), Trouble::Unanswered);
    }
}
