//! Metrics of runs as a figure: one panel per metric, one curve per run, a legend above.

use std::collections::BTreeMap;

use plotters::coord::Shift;
use plotters::prelude::*;

/// The values of each metric in their order.
pub type Metrics = BTreeMap<String, Vec<f64>>;

/// Why there is no figure: the drawing library has refused something.
#[derive(Debug)]
pub struct Undrawn(String);

impl std::fmt::Display for Undrawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the figure cannot be drawn: {}", self.0)
    }
}

impl std::error::Error for Undrawn {}

/// Width and height of a panel, in pixels.
const PANEL: (u32, u32) = (520, 380);
/// Height of a line of the legend, and of the title.
const LINE: u32 = 24;
/// Width of a letter of the legend, on average and generously.
const LETTER: u32 = 7;
/// Colours that people with any colour vision can tell apart (Okabe and Ito), the darkest first.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];

/// What a run's curves look like.
#[derive(Clone, Copy)]
pub struct Look {
    color: usize,
    dashed: bool,
}

impl Look {
    /// That of the i-th run: a colour of its own, as long as there are any, and then the same ones with dashes.
    pub fn of(i: usize) -> Look {
        Look { color: i % COLORS.len(), dashed: (i / COLORS.len()) % 2 == 1 }
    }

    /// The same colour with dashes.
    pub fn dashed(self) -> Look {
        Look { dashed: true, ..self }
    }

    fn style(self) -> ShapeStyle {
        COLORS[self.color].stroke_width(2)
    }
}

/// A run in a figure.
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// How it is drawn.
    pub look: Look,
    /// What is drawn.
    pub metrics: Metrics,
}

/// At most so many numbers stand beside an axis.
const LABELS: u32 = 8;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The figure as SVG: every metric that a run has, the loss first. Runs may differ in length.
///
/// # Errors
/// None that is known: the drawing library could refuse.
pub fn draw(title: &str, curves: &[Curve]) -> Result<String, Undrawn> {
    let names = metric_names(curves);
    let panels = names.len().max(1) as u32;
    let columns = panels.min(2);
    let rows = panels.div_ceil(columns);
    let width = columns * PANEL.0;
    let legend = Legend::new(curves, width);
    let head = if title.is_empty() { 8 } else { LINE + 12 };
    let top = head + legend.height();
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, (width, top + rows * PANEL.1)).into_drawing_area();
    root.fill(&WHITE).map_err(refused)?;
    let (above, below) = root.split_vertically(top);
    if !title.is_empty() {
        above.draw(&Text::new(title.to_string(), (16, 12), ("sans-serif", 18))).map_err(refused)?;
    }
    legend.draw(&above, head as i32)?;
    for (area, name) in below.split_evenly((rows as usize, columns as usize)).iter().zip(&names) {
        panel(area, name, curves)?;
    }
    root.present().map_err(refused)?;
    drop((above, below, root));
    Ok(svg)
}

/// All metrics: the loss, the accuracy, then by name.
fn metric_names(curves: &[Curve]) -> Vec<&str> {
    let mut names: Vec<&str> =
        curves.iter().flat_map(|curve| curve.metrics.keys()).map(String::as_str).collect();
    names.sort_by_key(|name| (*name != "loss", *name != "accuracy", *name));
    names.dedup();
    names
}

fn panel(area: &Area<'_>, name: &str, curves: &[Curve]) -> Result<(), Undrawn> {
    let drawn = |curve: &&Curve| curve.metrics.contains_key(name);
    let values = || curves.iter().filter_map(|curve| curve.metrics.get(name));
    let longest = values().map(Vec::len).max().unwrap_or(0) as i32;
    // A single value stands in the middle, and is of no epoch.
    let epochs = if longest > 1 { 1..longest } else { 0..2 };
    let epoch = if longest > 1 { "epoch" } else { "" };
    let shown = range(values().flatten().copied());
    let step = (shown.end - shown.start) / f64::from(LABELS);
    let mut chart = ChartBuilder::on(area)
        .caption(name, ("sans-serif", 16))
        .margin(14)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(epochs, shown)
        .map_err(refused)?;
    let percent = name == "accuracy";
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.5))
        .x_labels(longest.clamp(3, 16) as usize)
        .y_labels(LABELS as usize)
        .x_desc(epoch)
        .x_label_formatter(&|number| if longest > 1 { number.to_string() } else { String::new() })
        .y_label_formatter(&|value| if percent { percentage(*value, step) } else { number(*value, step) })
        .label_style(("sans-serif", 12))
        .axis_desc_style(("sans-serif", 13))
        .draw()
        .map_err(refused)?;
    for curve in curves.iter().filter(drawn) {
        let points = (1..).zip(curve.metrics[name].iter().copied()).filter(|(_, value)| value.is_finite());
        let points: Vec<(i32, f64)> = points.collect();
        let style = curve.look.style();
        let line = points.iter().copied();
        if curve.look.dashed {
            chart.draw_series(DashedLineSeries::new(line, 6, 4, style)).map_err(refused)?;
        } else {
            chart.draw_series(LineSeries::new(line, style)).map_err(refused)?;
        }
        let dots = points.iter().map(|point| Circle::new(*point, 3, style.filled()));
        chart.draw_series(dots).map_err(refused)?;
    }
    Ok(())
}

/// From the lowest value to the highest, with a margin.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return 0.0..1.0;
    }
    let margin = if high > low { 0.05 * (high - low) } else { 0.05 * high.abs().max(1e-3) };
    low - margin..high + margin
}

/// A number beside an axis, as many digits of it as tell it from those a step away.
fn number(value: f64, step: f64) -> String {
    let text = format!("{value:.0$}", digits(step));
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.into() }
}

/// A share beside an axis, likewise.
fn percentage(value: f64, step: f64) -> String {
    format!("{:.1$} %", 100.0 * value, digits(100.0 * step).max(1))
}

/// Digits behind the point of numbers of which none is nearer to another than a step.
fn digits(step: f64) -> usize {
    let places = -step.log10();
    if places >= 0.0 { places.floor() as usize + 1 } else { 0 }
}

/// Where the names of the runs stand, in as many lines as they need.
struct Legend<'a> {
    curves: &'a [Curve],
    /// From the left, and the line.
    places: Vec<(u32, u32)>,
}

impl<'a> Legend<'a> {
    fn new(curves: &'a [Curve], width: u32) -> Legend<'a> {
        let (mut x, mut line) = (16, 0);
        let mut places = Vec::new();
        // One run without a name needs no legend.
        let named = if curves.iter().all(|curve| curve.name.is_empty()) { &[] } else { curves };
        for curve in named {
            let needed = 34 + LETTER * curve.name.chars().count() as u32 + 20;
            if x + needed > width && x > 16 {
                (x, line) = (16, line + 1);
            }
            places.push((x, line));
            x += needed;
        }
        Legend { curves, places }
    }

    fn height(&self) -> u32 {
        LINE * self.places.last().map_or(0, |(_, line)| line + 1)
    }

    fn draw(&self, area: &Area<'_>, top: i32) -> Result<(), Undrawn> {
        for (curve, (x, line)) in self.curves.iter().zip(&self.places) {
            let (x, y) = (*x as i32, top + (line * LINE + LINE / 2) as i32);
            let ends = [(x, y), (x + 26, y)];
            let style = curve.look.style();
            if curve.look.dashed {
                area.draw(&plotters::element::DashedPathElement::new(ends, 6, 4, style)).map_err(refused)?;
            } else {
                area.draw(&PathElement::new(ends, style)).map_err(refused)?;
            }
            area.draw(&Circle::new((x + 13, y), 3, style.filled())).map_err(refused)?;
            area.draw(&Text::new(curve.name.clone(), (x + 34, y - 6), ("sans-serif", 13)))
                .map_err(refused)?;
        }
        Ok(())
    }
}

fn refused(error: impl std::fmt::Display) -> Undrawn {
    Undrawn(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(i: usize, name: &str, metrics: &[(&str, &[f64])]) -> Curve {
        let metrics = metrics.iter().map(|(name, values)| (name.to_string(), values.to_vec())).collect();
        Curve { name: name.into(), look: Look::of(i), metrics }
    }

    #[test]
    fn a_curve_per_run_and_a_panel_per_metric() {
        let curves = [
            curve(0, "f = 16", &[("loss", &[0.5, 0.25, 0.2]), ("accuracy", &[0.9, 0.95, 0.97])]),
            curve(1, "a < b & c", &[("accuracy", &[0.8, 0.85]), ("loss", &[1.5, 0.75])]),
        ];
        let svg = draw("Two runs", &curves).unwrap();
        let count = |part: &str| svg.matches(part).count();
        assert_eq!(
            count("<polyline fill=\"none\" opacity=\"1\" stroke=\"#0072B2\" stroke-width=\"2\""),
            3,
            "two curves and the legend"
        );
        assert_eq!(count("<circle"), 2 * 3 + 2 * 2 + 2);
        for text in ["Two runs", "f = 16", "a &lt; b &amp; c", "loss", "accuracy", "95.0 %", "epoch"] {
            assert!(svg.contains(text), "{text} is not in\n{svg}");
        }
        assert!(svg.find("loss").unwrap() < svg.find("accuracy").unwrap(), "the loss comes first");
    }

    #[test]
    fn odd_figures_are_drawn() {
        draw("", &[]).unwrap();
        let one = draw("one", &[curve(0, "", &[("loss", &[0.0])])]).unwrap();
        assert_eq!(one.matches("<circle").count(), 1, "a point and no legend");
        draw("none", &[curve(0, "x", &[("loss", &[])])]).unwrap();
        draw("no number", &[curve(3, "x", &[("loss", &[f64::NAN, f64::INFINITY, 1.0])])]).unwrap();
        let many: Vec<Curve> =
            (0..20).map(|i| curve(i, "a rather long name of a run", &[("loss", &[i as f64, 1e9])])).collect();
        let svg = draw("many", &many).unwrap();
        assert_eq!(svg.matches("a rather long name").count(), 20);
    }

    #[test]
    fn numbers_beside_an_axis() {
        let shown: Vec<String> = [0.0, 0.25, 1.5, 100.0, -0.00001].map(|value| number(value, 0.05)).to_vec();
        assert_eq!(shown, ["0", "0.25", "1.5", "100", "0"]);
        assert_eq!(number(1234.5, 20.0), "1234");
        assert_eq!(percentage(0.97, 0.03), "97.0 %");
    }

    /// All that stand beside an axis differ, however close the values are.
    #[test]
    fn numbers_beside_an_axis_differ() {
        for name in ["accuracy", "loss"] {
            for spread in [1e-7, 1e-4, 0.003, 0.02, 0.4, 30.0, 1e5] {
                let values: Vec<f64> = (0..4).map(|i| 0.97 + spread * f64::from(i) / 3.0).collect();
                let svg = draw("", &[curve(0, "", &[(name, &values)])]).unwrap();
                let beside = svg.split("<text").filter(|text| text.contains("text-anchor=\"end\""));
                let text = |part: &'_ str| Some(part.split_once('>')?.1.split_once('<')?.0.trim().to_owned());
                let mut texts: Vec<String> = beside.filter_map(text).collect();
                let all = texts.len();
                texts.sort_unstable();
                texts.dedup();
                assert!(all > 3 && texts.len() == all, "{name}, {spread}: {texts:?} of {all}");
            }
        }
    }

    #[test]
    fn a_single_value_is_of_no_epoch() {
        let svg = draw("", &[curve(0, "", &[("accuracy", &[0.97])])]).unwrap();
        assert!(!svg.contains("epoch"));
        assert!(draw("", &[curve(0, "", &[("accuracy", &[0.9, 0.97])])]).unwrap().contains("epoch"));
    }
}
