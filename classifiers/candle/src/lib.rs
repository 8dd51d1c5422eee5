//! The encoder classifier on candle
