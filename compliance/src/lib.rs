//! Verified range to reports
