//! Removes values from decoded replies in which a secret of the account was struck out.

use super::Account;
use super::lenient_reader::unreadable;
use crate::domain::{Contact, Field, Result, Text};
use crate::upstream::{Decoded, STRUCK_OUT, Secrets};

impl Decoded for Account {
    fn remove_secrets(&mut self, secrets: &Secrets, struck: bool) -> Result<()> {
        let Self { id, name } = self;
        id.remove_secrets(secrets, struck)?;
        name.remove_secrets(secrets, struck)
    }
}

/// A name or an id that is kept as a definition.
impl Decoded for Text {
    fn remove_secrets(&mut self, secrets: &Secrets, _: bool) -> Result<()> {
        *self = Self::from(secrets.strike_out(self).as_ref());
        Ok(())
    }
}

impl<T: Decoded> Decoded for Option<T> {
    fn remove_secrets(&mut self, secrets: &Secrets, struck: bool) -> Result<()> {
        self.iter_mut().try_for_each(|decoded| decoded.remove_secrets(secrets, struck))
    }
}

impl<T: Decoded> Decoded for Vec<T> {
    fn remove_secrets(&mut self, secrets: &Secrets, struck: bool) -> Result<()> {
        self.iter_mut().try_for_each(|decoded| decoded.remove_secrets(secrets, struck))
    }
}

impl Decoded for Contact {
    fn remove_secrets(&mut self, _: &Secrets, struck: bool) -> Result<()> {
        if !struck {
            return Ok(());
        }
        if is_struck(self.remote_id.as_str()) {
            return Err(unreadable("_id", "an id"));
        }
        let named = [
            (Field::FirstName, &mut self.first_name),
            (Field::LastName, &mut self.last_name),
            (Field::Account, &mut self.account),
        ];
        let mut left_out = Vec::new();
        for (field, text) in named {
            if text.take_if(|text| is_struck(text)).is_some() {
                self.unseen.insert(field);
            }
        }
        let mut keep = |field: Field, texts: &[Option<&Text>]| {
            let struck = texts.iter().flatten().any(|text| is_struck(text));
            if struck {
                left_out.push(field);
            }
            !struck
        };
        self.addresses.retain(|address| keep(Field::Addresses, &address.parts().map(|(_, part, _)| part)));
        self.email_addresses
            .retain(|email| keep(Field::EmailAddresses, &[Some(&email.address), email.kind.as_ref()]));
        self.phone_numbers
            .retain(|phone| keep(Field::PhoneNumbers, &[Some(&phone.number), phone.kind.as_ref()]));
        let quoted = format!("\"{STRUCK_OUT}\"");
        self.remote_fields.0.retain(|(name, value)| {
            let struck = is_struck(name) || value.as_str().contains(&quoted);
            if struck {
                left_out.push(Field::RemoteFields);
            }
            !struck
        });
        for field in left_out {
            self.partial.insert(field);
        }
        Ok(())
    }
}

fn is_struck(text: &str) -> bool {
    text == STRUCK_OUT
}
