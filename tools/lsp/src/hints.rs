//! What each line costs, behind it.

use lsp_types::{InlayHint, InlayHintLabel, InlayHintTooltip, Range};
use tern_bytecode::report::{LineCost, group};

use crate::analysis::{Analysis, Cost};
use crate::places;

/// The hints of the lines in a range. Lines that communicate nothing have none.
pub fn hints(analysis: &Analysis, range: Range) -> Vec<InlayHint> {
    let Some(cost) = &analysis.cost else { return Vec::new() };
    let (first, last) = (range.start.line.saturating_add(1), range.end.line.saturating_add(1));
    if first > last {
        return Vec::new();
    }
    let lines = cost.lines.range(first..=last).filter(|(_, line)| line.bits > 0 || line.rounds > 0);
    lines.map(|(_, line)| hint(analysis, cost, line)).collect()
}

fn hint(analysis: &Analysis, cost: &Cost, line: &LineCost) -> InlayHint {
    let file = analysis.file();
    let end = file.line_range(line.line - 1).end;
    InlayHint {
        position: places::position(file, end),
        label: InlayHintLabel::String(label(line)),
        kind: None,
        text_edits: None,
        tooltip: Some(InlayHintTooltip::String(sentence(cost, line))),
        padding_left: Some(true),
        padding_right: None,
        data: None,
    }
}

/// Rounds and bits; only these of what travels in rounds of other lines, as inputs do.
fn label(line: &LineCost) -> String {
    match line.rounds {
        0 => amount(line.bits),
        _ => format!("{}, {}", rounds(line.rounds), amount(line.bits)),
    }
}

/// What a line costs, exactly.
pub fn sentence(cost: &Cost, line: &LineCost) -> String {
    let bound = if cost.at_most { "at most " } else { "" };
    let times =
        if line.executions == 1 { "once".into() } else { format!("{} times", group(line.executions)) };
    let rounds = match line.rounds {
        0 if line.bits > 0 => "no round of its own".into(),
        n => rounds(n),
    };
    format!("This line: {bound}{rounds}, {} bits; it runs {times} ({}).", group(line.bits), cost.settings)
}

fn rounds(rounds: u64) -> String {
    format!("{} round{}", group(rounds), if rounds == 1 { "" } else { "s" })
}

/// Bits with three digits and a unit.
fn amount(bits: u64) -> String {
    let units = ["bit", "kbit", "Mbit", "Gbit", "Tbit", "Pbit", "Ebit"];
    let (mut amount, mut unit) = (bits as f64, 0);
    while amount >= 999.5 && unit + 1 < units.len() {
        amount /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 || amount >= 99.95 {
        0
    } else if amount >= 9.995 {
        1
    } else {
        2
    };
    format!("{amount:.digits$} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn amounts_have_three_digits() {
        let cases = [
            (0, "0 bit"),
            (999, "999 bit"),
            (1000, "1.00 kbit"),
            (99_949, "99.9 kbit"),
            (99_950, "100 kbit"),
            (999_499, "999 kbit"),
            (999_500, "1.00 Mbit"),
            (7_974_908_006_400, "7.97 Tbit"),
            (u64::MAX, "18.4 Ebit"),
        ];
        for (bits, text) in cases {
            assert_eq!(amount(bits), text);
        }
    }
}
