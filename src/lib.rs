//! One contacts API in front of several CRMs.

pub mod adapters;
pub mod api;
pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod domain;
pub mod gateway;
pub mod json;
pub mod sealing;
pub mod simulators;
pub mod store;
pub mod telemetry;
pub mod upstream;
