//! Why a plot could not be made.

/// Why a plot could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The drawing library failed.
    #[error("drawing failed: {0}")]
    Drawing(String),
    /// The picture could not be encoded.
    #[error("encoding as PNG failed: {0}")]
    Encoding(#[source] png::EncodingError),
    /// The drawing could not be made a PDF.
    #[cfg(feature = "pdf")]
    #[error("conversion to PDF failed: {0}")]
    Pdf(String),
}
