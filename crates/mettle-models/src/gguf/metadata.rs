//! The key-value pairs of a file.

use std::collections::HashMap;

use super::{FromValue, Problem, Value};
use crate::{Error, Result};

/// Metadata of a file, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    entries: Vec<(String, Value)>,
    index: HashMap<String, usize>,
}

impl Metadata {
    pub(super) fn insert(&mut self, key: String, value: Value) -> Result<(), Problem> {
        if self.index.insert(key.clone(), self.entries.len()).is_some() {
            return Err(Problem::DuplicateKey(key));
        }
        self.entries.push((key, value));
        Ok(())
    }

    /// Sets the value of a key: in its place where the key is there already, else behind the others.
    pub fn set(&mut self, key: impl Into<String>, value: Value) {
        let key = key.into();
        match self.index.get(&key) {
            Some(&i) => self.entries[i].1 = value,
            None => {
                self.index.insert(key.clone(), self.entries.len());
                self.entries.push((key, value));
            }
        }
    }

    /// Removes all keys for which `keep` is false.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.entries.retain(|(key, _)| keep(key));
        let keys = self.entries.iter().map(|(key, _)| key.clone());
        self.index = keys.enumerate().map(|(i, key)| (key, i)).collect();
    }

    /// The value of a key, in the type the file stores it in.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.index.get(key).map(|&i| &self.entries[i].1)
    }

    /// The value of a key that must be there.
    ///
    /// # Errors
    /// [`Error::MissingKey`], or [`Error::KeyType`] when the value is of another type or out of range.
    pub fn get<'a, T: FromValue<'a>>(&'a self, key: &str) -> Result<T> {
        self.find(key)?.ok_or_else(|| Error::MissingKey {
            key: key.to_owned(),
            wanted: T::WANTED,
        })
    }

    /// The value of a key that may be absent.
    ///
    /// # Errors
    /// [`Error::KeyType`] when the value is of another type or out of range.
    pub fn find<'a, T: FromValue<'a>>(&'a self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match T::from_value(value) {
            Some(v) => Ok(Some(v)),
            None => Err(Error::KeyType {
                key: key.to_owned(),
                found: value.to_string(),
                wanted: T::WANTED,
            }),
        }
    }

    /// All pairs, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
