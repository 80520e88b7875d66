//! Words of the JSON form.

use models::monitors::log::{MissingStep, StallKind};

/// A phrase as one word.
pub(super) fn snake(text: &str) -> String {
    text.replace(' ', "_")
}

/// The word for what stands still, and for the step that is missing.
pub(super) const fn stall_kind(kind: StallKind) -> (&'static str, Option<&'static str>) {
    match kind {
        StallKind::OpenRequest(step) => ("open_request", Some(missing(step))),
        StallKind::SilentVcpu => ("silent_vcpu", None),
        StallKind::Refaults => ("refaults_without_async", None),
        StallKind::AskedAgain => ("asked_again", None),
        StallKind::RefusedEn => ("refused_en", None),
        StallKind::UnacknowledgedOff => ("unacknowledged_when_turned_off", None),
    }
}

const fn missing(step: MissingStep) -> &'static str {
    match step {
        MissingStep::Io => "io",
        MissingStep::Worker => "worker",
        MissingStep::Page => "io_or_message",
        MissingStep::Completion => "completion",
        MissingStep::PageReady => "page_ready",
        MissingStep::Interrupt => "interrupt",
        MissingStep::Acknowledgement => "acknowledgement",
    }
}
