//! What a transaction writes: statements, and rows of one table after the other that become one statement.
//!
//! A statement costs the database more than a row does, so rows that are inserted one by one are sent together.

use super::value::Value;
use crate::Stored;

/// A statement that inserts a row, and the same for many.
pub(super) struct Insert {
    pub(super) one: &'static str,
    /// Each parameter is the array of what `one` has in its place.
    pub(super) many: &'static str,
}

/// Most rows of a statement. What the database makes of their arrays stays within the memory it has for that.
const MOST_ROWS: usize = 500;

/// What is to be written, in order.
#[derive(Default)]
pub(super) struct Writes(Vec<Write>);

/// A statement and its parameters.
pub(super) type Statement = (&'static str, Vec<Value>);

enum Write {
    Statement(&'static str, Vec<Value>),
    Rows(&'static Insert, Vec<Vec<Value>>),
}

impl Writes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, sql: &'static str, parameters: Vec<Value>) {
        self.0.push(Write::Statement(sql, parameters));
    }

    /// Adds a row to those of its statement, if nothing but rows came after that.
    pub(super) fn insert(&mut self, insert: &'static Insert, row: Vec<Value>) {
        for write in self.0.iter_mut().rev() {
            match write {
                Write::Statement(..) => break,
                Write::Rows(same, rows)
                    if std::ptr::eq(*same, insert) && rows.len() < MOST_ROWS =>
                {
                    rows.push(row);
                    return;
                }
                Write::Rows(..) => {}
            }
        }
        self.0.push(Write::Rows(insert, vec![row]));
    }

    /// The statements, each with its parameters.
    pub(super) fn into_statements(self) -> Stored<Vec<Statement>> {
        let statement = |write| match write {
            Write::Statement(sql, parameters) => Ok((sql, parameters)),
            Write::Rows(insert, mut rows) if rows.len() == 1 => {
                Ok((insert.one, rows.pop().unwrap_or_default()))
            }
            Write::Rows(insert, rows) => Ok((insert.many, Value::columns(rows)?)),
        };
        self.0.into_iter().map(statement).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::value::values;

    static A: Insert = Insert {
        one: "one a",
        many: "many a",
    };
    static B: Insert = Insert {
        one: "one b",
        many: "many b",
    };

    #[test]
    fn rows_of_a_table_are_one_statement_unless_another_comes_between() {
        let mut writes = Writes::default();
        writes.insert(&A, values!["1", 1_i64].into());
        writes.insert(&B, values!["2"].into());
        writes.insert(&A, values![Some("3"), Some(3_i64)].into());
        writes.add("delete", values!["4"].into());
        writes.insert(&A, values!["5", 5_i64].into());
        for _ in 0..=MOST_ROWS {
            writes.insert(&B, values!["6"].into());
        }
        let statements = writes.into_statements().unwrap();
        let sql: Vec<_> = statements.iter().map(|(sql, _)| *sql).collect();
        let expected = ["many a", "one b", "delete", "one a", "many b", "one b"];
        assert_eq!(sql, expected);
        let [
            Value::OptionalTexts(texts),
            Value::OptionalIntegers(integers),
        ] = &statements[0].1[..]
        else {
            panic!("not columns");
        };
        assert_eq!(*texts, ["1", "3"].map(|text| Some(text.to_owned())));
        assert_eq!(*integers, [Some(1), Some(3)]);
    }
}
