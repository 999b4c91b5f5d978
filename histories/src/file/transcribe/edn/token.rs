//! What has no parts: strings, keywords, symbols, numbers and characters.

use super::super::Bad;
use super::{Form, Halt, Result};

/// What a byte is within a keyword, a symbol or a number: part of it as it is, its end, or something to be escaped.
const PLAIN: u8 = 0;
const DELIMITER: u8 = 1;

const CLASS: [u8; 256] = {
    const ODD: u8 = 2;
    let mut table = [PLAIN; 256];
    let mut i = 0;
    while i < 0x20 {
        table[i] = ODD;
        i += 1;
    }
    table[b'\\' as usize] = ODD;
    let delimiters = b" ,;\"()[]{}\n\r\t\x0b\x0c";
    let mut i = 0;
    while i < delimiters.len() {
        table[delimiters[i] as usize] = DELIMITER;
        i += 1;
    }
    table
};

fn is_delimiter(byte: u8) -> bool {
    CLASS[usize::from(byte)] == DELIMITER
}

impl Form<'_> {
    #[inline]
    pub(super) fn atom(&mut self, byte: u8) -> Result<bool> {
        self.begin();
        match byte {
            b'"' => self.string(),
            b':' => self.keyword(),
            b'0'..=b'9' => self.number(),
            b'+' | b'-' if self.input.get(self.at + 1).is_some_and(u8::is_ascii_digit) => self.number(),
            b'\\' => self.character(),
            b'\'' | b'`' | b'~' | b'@' => self.expected("a value"),
            _ => self.symbol(),
        }
    }

    /// Where a token that begins here ends.
    #[inline]
    pub(super) fn token_end(&self, at: usize) -> Result<usize> {
        let rest = self.input.get(at..).unwrap_or_default();
        match rest.iter().position(|b| is_delimiter(*b)) {
            Some(len) => Ok(at + len),
            None if self.whole => Ok(self.input.len()),
            None => Err(Halt::More),
        }
    }

    /// A string of what stands from `start` to the end of the token.
    #[inline]
    pub(super) fn text_until_delimiter(&mut self, start: usize) -> Result<bool> {
        let rest = &self.input[start..];
        let plain = rest.iter().position(|b| CLASS[usize::from(*b)] != PLAIN).unwrap_or(rest.len());
        self.out.push(b'"');
        self.out.extend(&rest[..plain]);
        self.at = start + plain;
        if rest.get(plain).is_none_or(|b| !is_delimiter(*b)) {
            let end = self.token_end(self.at)?;
            rest[plain..end - start].iter().for_each(|byte| self.out.push_escaped(*byte));
            self.at = end;
        }
        self.out.push(b'"');
        Ok(true)
    }

    #[inline]
    fn keyword(&mut self) -> Result<bool> {
        if self.input.get(self.at + 1).is_none_or(|b| is_delimiter(*b)) && self.token_end(self.at + 1)? == self.at + 1 {
            return self.expected("a keyword");
        }
        self.text_until_delimiter(self.at + 1)
    }

    fn symbol(&mut self) -> Result<bool> {
        let end = self.token_end(self.at)?;
        let name: &[u8] = match &self.input[self.at..end] {
            b"nil" => b"null",
            b"true" => b"true",
            b"false" => b"false",
            _ => return self.text_until_delimiter(self.at),
        };
        self.out.extend(name);
        self.at = end;
        Ok(true)
    }

    fn number(&mut self) -> Result<bool> {
        let rest = &self.input[self.at..];
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if (digits == 1 || (digits > 1 && rest[0] != b'0')) && rest.get(digits).is_some_and(|b| is_delimiter(*b)) {
            self.out.extend(&rest[..digits]);
            self.at += digits;
            return Ok(true);
        }
        self.odd_number()
    }

    /// A vector of nothing but whole numbers with one space between them, as reads of lists mostly are: copied in one go.
    #[inline]
    pub(super) fn integers(&mut self) -> bool {
        let rest = &self.input[self.at + 1..];
        let mut number = 0;
        for (i, byte) in rest.iter().enumerate() {
            match byte {
                b'0'..=b'9' if i == number || rest[number] != b'0' => {}
                b' ' if i > number => number = i + 1,
                b']' if i > number => {
                    let start = self.out.bytes.len();
                    self.out.extend(&self.input[self.at..self.at + i + 2]);
                    self.out.bytes[start..].iter_mut().filter(|b| **b == b' ').for_each(|b| *b = b',');
                    self.at += i + 2;
                    return true;
                }
                _ => return false,
            }
        }
        false
    }

    fn odd_number(&mut self) -> Result<bool> {
        let end = self.token_end(self.at)?;
        let token = &self.input[self.at..end];
        let token = token.strip_prefix(b"+").unwrap_or(token);
        let digits = token.strip_prefix(b"-").unwrap_or(token);
        let whole = digits.iter().take_while(|b| b.is_ascii_digit()).count();
        if whole > 1 && digits[0] == b'0' {
            return self.expected("a number without a leading zero");
        }
        match &digits[whole..] {
            [] => self.out.extend(token),
            b"N" | b"M" => self.out.extend(&token[..token.len() - 1]),
            [b'/', rest @ ..] if !rest.is_empty() && rest.iter().all(u8::is_ascii_digit) => {
                return self.text_until_delimiter(self.at);
            }
            rest => match fraction(rest) {
                Some((point, exponent)) => {
                    self.out.extend(&token[..token.len() - rest.len()]);
                    self.out.extend(point);
                    if point == b"." {
                        self.out.push(b'0');
                    }
                    self.out.extend(exponent);
                }
                None => return self.expected("a number"),
            },
        }
        self.at = end;
        Ok(true)
    }

    /// The position is that of the opening quote.
    pub(super) fn string(&mut self) -> Result<bool> {
        self.out.push(b'"');
        let mut at = self.at + 1;
        loop {
            let rest = &self.input[at..];
            let plain = rest.iter().position(|b| *b == b'"' || *b == b'\\' || *b < b' ').unwrap_or(rest.len());
            self.out.extend(&rest[..plain]);
            at += plain;
            match self.input.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at = self.escape(at)?,
                Some(control) => {
                    self.out.push_escaped(*control);
                    at += 1;
                }
                None if !self.whole => return Err(Halt::More),
                None => return Err(Bad::expected("\" at the end of the string", self.input, at).into()),
            }
        }
        self.out.push(b'"');
        self.at = at + 1;
        Ok(true)
    }

    /// An escape at this place in a string; returns what follows it.
    fn escape(&mut self, at: usize) -> Result<usize> {
        let rest = &self.input[at..];
        match rest {
            [_, b'"' | b'\\' | b'n' | b't' | b'r' | b'b' | b'f', ..] => {
                self.out.extend(&rest[..2]);
                Ok(at + 2)
            }
            [_, b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {
                self.out.extend(&rest[..6]);
                Ok(at + 6)
            }
            [_, b'0'..=b'7', ..] if self.whole || rest.len() > 4 => {
                let len = rest[1..].iter().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
                let code = rest[1..=len].iter().fold(0, |code, digit| code * 8 + u32::from(digit - b'0'));
                self.push_char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                Ok(at + 1 + len)
            }
            _ if !self.whole && rest.len() < 6 => Err(Halt::More),
            _ => Err(Bad::expected("an escape", self.input, at).into()),
        }
    }

    fn character(&mut self) -> Result<bool> {
        // The first byte may be a delimiter.
        let end = self.token_end(self.at + 2)?;
        let token = self.input.get(self.at + 1..end).unwrap_or_default();
        let code = match token {
            b"newline" => Some('\n'),
            b"space" => Some(' '),
            b"tab" => Some('\t'),
            b"return" => Some('\r'),
            b"formfeed" => Some('\u{c}'),
            b"backspace" => Some('\u{8}'),
            [b'u', hex @ ..] if hex.len() == 4 => hexadecimal(hex),
            [delimiter, ..] if is_delimiter(*delimiter) => Some(char::from(*delimiter)),
            other => std::str::from_utf8(other).ok().and_then(single),
        };
        let Some(code) = code else { return self.expected("a character") };
        // Of `\(abc` only the bracket is the character.
        self.at = if token.first().is_some_and(|b| is_delimiter(*b)) { self.at + 2 } else { end };
        self.out.push(b'"');
        self.push_char(code);
        self.out.push(b'"');
        Ok(true)
    }

    fn push_char(&mut self, code: char) {
        code.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| self.out.push_escaped(byte));
    }
}

/// The point with its digits and the exponent of a fraction, from behind its whole part.
fn fraction(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = rest.strip_suffix(b"M").unwrap_or(rest);
    let digits = |from: &[u8]| from.iter().take_while(|b| b.is_ascii_digit()).count();
    let point = if rest.first() == Some(&b'.') { 1 + digits(&rest[1..]) } else { 0 };
    let (point, exponent) = rest.split_at(point);
    let power = match exponent {
        [] => return Some((point, exponent)),
        [b'e' | b'E', b'+' | b'-', power @ ..] | [b'e' | b'E', power @ ..] => power,
        _ => return None,
    };
    (!power.is_empty() && digits(power) == power.len()).then_some((point, exponent))
}

fn hexadecimal(digits: &[u8]) -> Option<char> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
}

/// The only character of a text.
fn single(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}
