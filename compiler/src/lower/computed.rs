//! What functions of the library give for constants. Coefficients of polynomials are computed in its own language, by recursion, for every
//! function that is approximated: a second time they are looked up.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use super::Lowerer;
use super::call::Given;
use super::expr::Want;
use super::value::{ItemId, Konst, Value};
use crate::syntax::ast;

/// Numbers of a list that is kept: coefficients are few, and what is kept stays as long as the program is lowered.
const MANY: usize = 256;

/// A function and its arguments, in the order of the parameters; nothing for those left to their defaults.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ConstantCall {
    function: ItemId,
    arguments: Vec<Option<Konst>>,
}

/// Results by call.
pub(super) type Computed = HashMap<ConstantCall, Konst>;

/// Equality of constants is that of numbers in lowest terms.
impl Eq for Konst {}

impl Hash for Konst {
    /// By numerators and denominators: a fraction's own hash goes through its continued fraction.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.shape.hash(state);
        for number in self.occurring() {
            number.numer().hash(state);
            number.denom().hash(state);
        }
    }
}

impl<'a> Lowerer<'a> {
    /// The result of a call, if it is known; otherwise under what it can be kept, if it can be.
    pub(super) fn of_constants(
        &self,
        function: ItemId,
        f: &ast::Function,
        slots: &[Option<Given<'a>>],
        want: Option<&Want>,
    ) -> Result<Value, Option<ConstantCall>> {
        // what a user's function computes is also what editors show of its lines
        if want.is_some() || self.shapes_only || self.is_user(f.header) {
            return Err(None);
        }
        let constant = |slot: &Option<Given<'a>>| match slot {
            None => Some(None),
            Some(Given { value: Value::Const(k), .. }) if k.occurring().count() <= MANY => {
                Some(Some(k.clone()))
            }
            Some(_) => None,
        };
        let Some(arguments) = slots.iter().map(constant).collect() else { return Err(None) };
        let call = ConstantCall { function, arguments };
        match self.computed.get(&call) {
            Some(known) => Ok(Value::Const(known.clone())),
            None => Err(Some(call)),
        }
    }

    /// Keeps a result that nothing else came with.
    pub(super) fn remember(&mut self, call: Option<ConstantCall>, value: &Value) {
        if let (Some(call), Value::Const(result)) = (call, value)
            && result.occurring().count() <= MANY
        {
            self.computed.insert(call, result.clone());
        }
    }
}
