//! Objects without nested values, such as the balances of a bank, in the text that a history keeps of them: compact, with
//! their fields in alphabetical order.

use super::Scanner;

impl<'a, const LOOSE: bool> Scanner<'a, LOOSE> {
    /// The text of an object, or of one plain value.
    pub(super) fn flat_json(&mut self) -> Option<String> {
        if self.rest().first() == Some(&b'{') { self.flat_object() } else { self.piece().map(str::to_owned) }
    }

    fn flat_object(&mut self) -> Option<String> {
        let mut fields = Vec::new();
        self.punctuation(b'{').then_some(())?;
        if !self.punctuation(b'}') {
            loop {
                let name = self.string()?;
                self.punctuation(b':').then_some(())?;
                fields.push((name, self.piece()?));
                if !self.comma() {
                    break self.punctuation(b'}').then_some(())?;
                }
            }
        }
        fields.sort_unstable_by_key(|(name, _)| *name);
        // Which of two fields of the same name counts is for the other reader.
        let distinct = fields.is_sorted_by(|(one, _), (next, _)| one < next);
        distinct.then(|| written(&fields))
    }

    /// The text of one plain value.
    fn piece(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.scalar()?;
        Some(&self.text[start..self.at])
    }
}

fn written(fields: &[(&str, &str)]) -> String {
    let len = fields.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
    let mut text = String::with_capacity(len + 2);
    text.push('{');
    for (i, (name, value)) in fields.iter().enumerate() {
        text.push_str(if i > 0 { ",\"" } else { "\"" });
        text.push_str(name);
        text.push_str("\":");
        text.push_str(value);
    }
    text.push('}');
    text
}
