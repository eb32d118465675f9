//! Natural order for tag lists: runs of digits compare as numbers, so `1.9` comes before `1.10`.

use std::cmp::Ordering;

/// Compares two names in natural order; equal only if the texts are equal.
pub fn natural_cmp(left: &str, right: &str) -> Ordering {
    let (mut rest_left, mut rest_right) = (left.as_bytes(), right.as_bytes());
    loop {
        let (first_left, first_right) = match (rest_left.first(), rest_right.first()) {
            (Some(first_left), Some(first_right)) => (*first_left, *first_right),
            (one, other) => {
                let by_length = one.is_some().cmp(&other.is_some());
                // `01` and `1` are the same number: the text decides.
                return by_length.then_with(|| left.cmp(right));
            }
        };
        let order = if first_left.is_ascii_digit() && first_right.is_ascii_digit() {
            digits_cmp(take_digits(&mut rest_left), take_digits(&mut rest_right))
        } else {
            rest_left = rest_left.get(1..).unwrap_or_default();
            rest_right = rest_right.get(1..).unwrap_or_default();
            first_left.cmp(&first_right)
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn take_digits<'t>(rest: &mut &'t [u8]) -> &'t [u8] {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at(length);
    *rest = after;
    digits
}

/// By value, whatever the length: without its leading zeros, the longer number is the larger.
fn digits_cmp(left: &[u8], right: &[u8]) -> Ordering {
    let significant = |digits: &'_ [u8]| digits.iter().take_while(|byte| **byte == b'0').count();
    let left = left.get(significant(left)..).unwrap_or_default();
    let right = right.get(significant(right)..).unwrap_or_default();
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::natural_cmp;
    use proptest::prelude::*;

    #[test]
    fn numbers_compare_as_numbers() {
        let sorted = [
            "",
            "01",
            "1",
            "1-alpine",
            "1.9",
            "1.9.0",
            "1.10",
            "2",
            "10",
            "18446744073709551616",
            "latest",
            "v1",
            "v1.2",
            "v1.10",
            "v2",
        ];
        let mut names = sorted;
        names.reverse();
        names.sort_by(|left, right| natural_cmp(left, right));
        assert_eq!(names, sorted);
    }

    proptest! {
        #[test]
        fn natural_order_is_total(a in "[0-9ab.]{0,6}", b in "[0-9ab.]{0,6}", c in "[0-9ab.]{0,6}") {
            prop_assert_eq!(natural_cmp(&a, &b), natural_cmp(&b, &a).reverse());
            prop_assert_eq!(natural_cmp(&a, &b).is_eq(), a == b);
            if natural_cmp(&a, &b).is_le() && natural_cmp(&b, &c).is_le() {
                prop_assert!(natural_cmp(&a, &c).is_le());
            }
        }
    }
}
