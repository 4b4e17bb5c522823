//! One contacts API in front of several CRMs.
