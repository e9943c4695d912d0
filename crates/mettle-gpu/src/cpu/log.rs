//! Messages of kernels (`os_log`), formatted and handed to `tracing` under the target `mettle::kernel`.

use std::ffi::CStr;
use std::fmt::Write as _;
use std::slice;

use mettle_msl::abi::{LogArgument, LogMessage, log_kind};

/// The hook.
///
/// # Safety
/// The message and what it leads to are as [`LogMessage`] says.
pub(super) unsafe extern "C" fn log(message: *const LogMessage) {
    // SAFETY: the caller's promise.
    let (message, arguments, [subsystem, category, format]) = unsafe {
        let message = &*message;
        let arguments = slice::from_raw_parts(message.arguments, message.count as usize);
        let strings = [message.subsystem, message.category, message.format];
        (
            message,
            arguments,
            strings.map(|s| CStr::from_ptr(s).to_string_lossy()),
        )
    };
    let text = formatted(&format, arguments);
    macro_rules! emit {
        ($level:ident) => {
            if subsystem.is_empty() && category.is_empty() {
                tracing::$level!(target: "mettle::kernel", "{text}")
            } else {
                tracing::$level!(target: "mettle::kernel", %subsystem, %category, "{text}")
            }
        };
    }
    match message.kind {
        0 => emit!(debug),
        3 | 4 => emit!(error),
        _ => emit!(info),
    }
}

/// A conversion: `%[flags][width][.precision][v count][length]letter`.
#[derive(Default)]
struct Conversion {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    /// Bytes that a length modifier asks for.
    length: Option<u32>,
    letter: char,
}

/// More than anyone prints on purpose.
const MAX_WIDTH: usize = 1000;

/// The text of a message. What is no valid conversion, or has no argument, stays as it is written.
fn formatted(format: &str, arguments: &[LogArgument]) -> String {
    let mut text = String::with_capacity(format.len());
    let mut arguments = arguments.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("%%") {
            text.push('%');
            rest = after;
            continue;
        }
        let parsed = Conversion::parse(&rest[1..]);
        match parsed.and_then(|(conversion, after)| Some((conversion, after, arguments.next()?))) {
            Some((conversion, after, argument)) => {
                let count = (argument.count as usize).min(argument.values.len());
                for (i, &bits) in argument.values[..count].iter().enumerate() {
                    if i > 0 {
                        text.push(',');
                    }
                    conversion.write(&mut text, argument, bits);
                }
                rest = after;
            }
            None => {
                text.push('%');
                rest = &rest[1..];
            }
        }
    }
    text + rest
}

impl Conversion {
    /// Reads a conversion, the `%` left out; what follows it.
    fn parse(text: &str) -> Option<(Self, &str)> {
        fn number(text: &str) -> (Option<usize>, &str) {
            let end = text
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len());
            (text[..end].parse().ok(), &text[end..])
        }
        let mut conversion = Self::default();
        let after_flags = text.trim_start_matches(['-', '+', ' ', '#', '0']);
        for flag in text[..text.len() - after_flags.len()].chars() {
            match flag {
                '-' => conversion.left = true,
                '+' => conversion.plus = true,
                ' ' => conversion.space = true,
                '#' => conversion.alternate = true,
                _ => conversion.zero = true,
            }
        }
        let (width, mut text) = number(after_flags);
        conversion.width = width.unwrap_or(0).min(MAX_WIDTH);
        if let Some(after) = text.strip_prefix('.') {
            let (precision, after) = number(after);
            conversion.precision = Some(precision.unwrap_or(0).min(MAX_WIDTH));
            text = after;
        }
        // The argument knows how many components it has.
        if let Some(after) = text.strip_prefix('v') {
            let (count, after) = number(after);
            count?;
            text = after;
        }
        for (modifier, bytes) in [
            ("hh", 1),
            ("hl", 4),
            ("h", 2),
            ("ll", 8),
            ("l", 8),
            ("j", 8),
            ("z", 8),
            ("t", 8),
        ] {
            if let Some(after) = text.strip_prefix(modifier) {
                conversion.length = Some(bytes);
                text = after;
                break;
            }
        }
        conversion.letter = text.chars().next()?;
        "diuoxXcfFeEgGaAp"
            .contains(conversion.letter)
            .then(|| (conversion, &text[1..]))
    }

    fn write(&self, text: &mut String, argument: &LogArgument, bits: u64) {
        let floating = argument.kind == log_kind::FLOATING;
        let number = f64::from(f32::from_bits(bits as u32));
        // An argument of the other kind is converted.
        let (negative, digits) = match self.letter {
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' | 'c' | 'p' => {
                let value = if floating { number as i64 } else { bits as i64 };
                self.integer(
                    value,
                    self.length.unwrap_or(argument.size).min(argument.size),
                )
            }
            _ if floating => (number.is_sign_negative(), self.real(number.abs())),
            _ if argument.kind == log_kind::SIGNED => {
                ((bits as i64) < 0, self.real((bits as i64 as f64).abs()))
            }
            _ => (false, self.real(bits as f64)),
        };
        let signed = !matches!(self.letter, 'u' | 'o' | 'x' | 'X' | 'c' | 'p');
        let sign = match (negative, signed) {
            (true, _) => "-",
            (false, true) if self.plus => "+",
            (false, true) if self.space => " ",
            _ => "",
        };
        let missing = self
            .width
            .saturating_sub(sign.len() + digits.chars().count());
        let zero = self.zero
            && !self.left
            && self.letter != 'c'
            && !digits.starts_with(['i', 'n', 'I', 'N']);
        let fill = |c: &str| c.repeat(missing);
        let _ = match (self.left, zero) {
            (true, _) => write!(text, "{sign}{digits}{}", fill(" ")),
            (false, true) => write!(text, "{sign}{}{digits}", fill("0")),
            (false, false) => write!(text, "{}{sign}{digits}", fill(" ")),
        };
    }

    /// Whether an integer of `bytes` bytes is negative, and its digits.
    fn integer(&self, value: i64, bytes: u32) -> (bool, String) {
        let unused = 64 - 8 * bytes.clamp(1, 8);
        let unsigned = (value as u64) << unused >> unused;
        let mut negative = false;
        let digits = match self.letter {
            'd' | 'i' => {
                let value = value << unused >> unused;
                negative = value < 0;
                value.unsigned_abs().to_string()
            }
            'o' => format!("{unsigned:o}"),
            'x' if self.alternate => format!("{unsigned:#x}"),
            'x' => format!("{unsigned:x}"),
            'X' if self.alternate => format!("0X{unsigned:X}"),
            'X' => format!("{unsigned:X}"),
            'p' => format!("{unsigned:#x}"),
            'c' => return (false, char::from(value as u8).to_string()),
            _ => unsigned.to_string(),
        };
        let least = self.precision.unwrap_or(0);
        (negative, format!("{digits:0>least$}"))
    }

    /// The digits of a number that is not negative.
    fn real(&self, number: f64) -> String {
        let precision = self.precision.unwrap_or(6);
        let digits = match self.letter {
            _ if number.is_nan() => "nan".to_owned(),
            _ if number.is_infinite() => "inf".to_owned(),
            'e' | 'E' => exponential(number, precision),
            'g' | 'G' => shortest(number, precision.max(1), self.alternate),
            'a' | 'A' => hexadecimal(number),
            _ => format!("{number:.precision$}"),
        };
        if self.letter.is_ascii_uppercase() {
            digits.to_ascii_uppercase()
        } else {
            digits
        }
    }
}

/// As `%.{precision}e`.
fn exponential(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// As `%.{precision}g`.
fn shortest(number: f64, precision: usize, keep_zeros: bool) -> String {
    let scientific = exponential(number, precision - 1);
    let exponent: i32 = scientific
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0);
    let without_zeros = |digits: &str| match digits.contains('.') && !keep_zeros {
        true => digits
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        false => digits.to_owned(),
    };
    if exponent < -4 || exponent >= precision as i32 {
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{exponent}", without_zeros(digits));
    }
    let decimals = (precision as i32 - 1 - exponent).max(0) as usize;
    without_zeros(&format!("{number:.decimals$}"))
}

/// As `%a`.
fn hexadecimal(number: f64) -> String {
    if number == 0.0 {
        return "0x0p+0".to_owned();
    }
    // A float is never subnormal as a double.
    let bits = number.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let fraction = format!("{:013x}", bits & ((1 << 52) - 1));
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("0x1{point}{fraction}p{exponent:+}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(x: i64) -> LogArgument {
        LogArgument {
            values: [x as u64, 0, 0, 0],
            kind: log_kind::SIGNED,
            size: 4,
            count: 1,
        }
    }

    fn reals(x: &[f32]) -> LogArgument {
        let mut values = [0; 4];
        for (to, x) in values.iter_mut().zip(x) {
            *to = u64::from(x.to_bits());
        }
        LogArgument {
            values,
            kind: log_kind::FLOATING,
            size: 4,
            count: x.len() as u32,
        }
    }

    #[test]
    fn integers() {
        let cases = [
            ("%d", -7, "-7"),
            ("[%5d]", -7, "[   -7]"),
            ("[%-5d]", 7, "[7    ]"),
            ("%05d", -7, "-0007"),
            ("%+d", 7, "+7"),
            ("%.3i", 7, "007"),
            ("%u", -1, "4294967295"),
            ("%hhu", -1, "255"),
            ("%x", 255, "ff"),
            ("%#X", 255, "0XFF"),
            ("%o", 8, "10"),
            ("%c", 65, "A"),
            ("%f", 3, "3.000000"),
        ];
        for (format, x, expected) in cases {
            assert_eq!(formatted(format, &[integer(x)]), expected, "{format}");
        }
        let long = LogArgument {
            size: 8,
            ..integer(-1)
        };
        assert_eq!(formatted("%ld %lx", &[long, long]), "-1 ffffffffffffffff");
    }

    #[test]
    fn numbers() {
        let cases = [
            ("%f", 1.5, "1.500000"),
            ("%.2f", -0.125, "-0.12"),
            ("%8.3f|", 3.25, "   3.250|"),
            ("%e", 1234.5, "1.234500e+03"),
            ("%.1E", 0.015625, "1.6E-02"),
            ("%g", 0.0001, "0.0001"),
            ("%g", 1e-5, "1e-05"),
            ("%g", 1234567.0, "1.23457e+06"),
            ("%g", 100.0, "100"),
            ("%a", 1.5, "0x1.8p+0"),
            ("%d", 2.75, "2"),
            ("%5f", f32::INFINITY, "  inf"),
            ("%F", f32::NAN, "NAN"),
        ];
        for (format, x, expected) in cases {
            assert_eq!(formatted(format, &[reals(&[x])]), expected, "{format}");
        }
    }

    #[test]
    fn vectors_and_plain_text() {
        assert_eq!(
            formatted("%v4hlf", &[reals(&[1.0, 2.0, 0.5, -1.0])]),
            "1.000000,2.000000,0.500000,-1.000000"
        );
        assert_eq!(formatted("%.1v2hlf%%", &[reals(&[1.0, 2.0])]), "1.0,2.0%");
        assert_eq!(
            formatted("no arguments: %d %s 100%", &[]),
            "no arguments: %d %s 100%"
        );
        assert_eq!(
            formatted("%99999999999999999999d é %", &[integer(1)]),
            "1 é %"
        );
    }
}
