//! Detector and Backend ports, windows, queue and pattern detectors
