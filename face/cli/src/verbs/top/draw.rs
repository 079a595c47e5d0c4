//! The picture of `landfall top`: a line of counts, the table, what is chosen in detail, the keys.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::backend::TestBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Clear, Paragraph, Row as TableRow, Table, TableState, Wrap};

use super::dashboard::{Dashboard, Order, Row, age};

/// From how many lines on there is room for details below the table.
const DETAIL_LINES_MIN: u16 = 24;
/// How many letters of a commit are shown.
const COMMIT_LETTERS: usize = 8;

/// Draws everything.
pub(super) fn picture(frame: &mut Frame<'_>, dashboard: &Dashboard, now: Timestamp) {
    let area = frame.area();
    let visible = dashboard.visible();
    let chosen = dashboard.chosen_at(&visible);
    let has_detail = dashboard.shows_detail && area.height >= DETAIL_LINES_MIN && chosen.is_some();
    let detail_lines = if has_detail { (area.height / 3).max(10) } else { 0 };
    let [head, table, detail, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(3),
        Constraint::Length(detail_lines),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(summary(dashboard, &visible)), head);
    draw_table(frame, table, dashboard, &visible, chosen, now);
    if let (true, Some(at)) = (has_detail, chosen) {
        draw_detail(frame, detail, visible[at]);
    }
    frame.render_widget(Paragraph::new(footer(dashboard)), foot);
    if dashboard.shows_help {
        draw_help(frame, area);
    }
}

/// The picture as text, for those who have no terminal: every row, and no details.
pub(super) fn text(dashboard: &Dashboard, columns: u16, now: Timestamp) -> String {
    let rows = u16::try_from(dashboard.visible().len()).unwrap_or(u16::MAX - 8);
    let plain = Dashboard::of(&dashboard.place, "");
    let backend = TestBackend::new(columns.max(40), rows.saturating_add(4));
    let Ok(mut terminal) = ratatui::Terminal::new(backend);
    let drawn = terminal.draw(|frame| {
        let area = frame.area();
        let visible = dashboard.visible();
        let [head, table] = Layout::vertical([Constraint::Length(2), Constraint::Min(1)]).areas(area);
        frame.render_widget(Paragraph::new(summary(dashboard, &visible)), head);
        draw_table(frame, table, &plain, &visible, None, now);
    });
    let Ok(_) = drawn;
    let buffer = terminal.backend().buffer();
    let width = usize::from(buffer.area.width);
    let mut lines: Vec<String> = buffer
        .content
        .chunks(width)
        .map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned())
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n") + "\n"
}

fn health_color(health: &str) -> Color {
    match health {
        "Healthy" => Color::Green,
        "Progressing" => Color::Cyan,
        "Degraded" => Color::Red,
        "Suspended" => Color::Magenta,
        "Missing" => Color::Yellow,
        _ => Color::DarkGray,
    }
}

fn sync_color(sync: &str) -> Color {
    match sync {
        "Synced" => Color::Green,
        "OutOfSync" => Color::Yellow,
        _ => Color::DarkGray,
    }
}

fn operation_color(phase: &str) -> Color {
    match phase {
        "Succeeded" => Color::DarkGray,
        "Failed" | "Error" => Color::Red,
        _ => Color::Cyan,
    }
}

/// A mark besides the colour, for eyes and terminals that see none.
fn health_mark(health: &str) -> &'static str {
    match health {
        "Healthy" => "●",
        "Progressing" => "◐",
        "Degraded" => "✖",
        "Suspended" => "‖",
        "Missing" => "○",
        _ => "?",
    }
}

fn sync_mark(sync: &str) -> &'static str {
    match sync {
        "Synced" => "✔",
        "OutOfSync" => "≠",
        _ => "?",
    }
}

fn summary<'a>(dashboard: &'a Dashboard, visible: &[&Row]) -> Vec<Line<'a>> {
    let total = dashboard.all().count();
    let shown = visible.len();
    let noun = if total == 1 { "application" } else { "applications" };
    let count = if shown == total { format!("{total} {noun}") } else { format!("{shown} of {total} {noun}") };
    let mut first = vec![
        Span::from("Landfall ").bold(),
        Span::from(dashboard.place.as_str()).dim(),
        Span::from("  "),
        Span::from(count),
    ];
    if let Some(problem) = &dashboard.problem {
        first.push(Span::styled(format!("  not up to date: {problem}"), Style::new().fg(Color::Red)));
    }
    let mut second = Vec::new();
    // What there is none of takes no room, but for what everybody looks for first.
    let tell = |label: &'static str, mark: &'static str, color: Color, count: usize| match (count, label) {
        (0, "Healthy" | "Degraded" | "Synced" | "OutOfSync") => {
            Span::styled(format!("{mark} 0 {label}   "), Style::new().fg(Color::DarkGray))
        }
        (0, _) => Span::from(""),
        (count, label) => Span::styled(format!("{mark} {count} {label}   "), Style::new().fg(color)),
    };
    for health in ["Healthy", "Progressing", "Degraded", "Missing", "Suspended", "Unknown"] {
        let count = dashboard.all().filter(|row| row.health == health).count();
        second.push(tell(health, health_mark(health), health_color(health), count));
    }
    second.push(Span::from("│ ").dim());
    for sync in ["Synced", "OutOfSync"] {
        let count = dashboard.all().filter(|row| row.sync == sync).count();
        second.push(tell(sync, sync_mark(sync), sync_color(sync), count));
    }
    let running =
        dashboard.all().filter(|row| matches!(row.operation.as_str(), "Running" | "Pending" | "Terminating")).count();
    second.push(tell("running", "▶", Color::Cyan, running));
    vec![Line::from(first), Line::from(second)]
}

/// The width of all columns between name and message, with what stands between them.
const OTHER_COLUMNS_WIDTH: u16 = 14 + 12 + 14 + 11 + 6 + 10 + 7;

fn draw_table(
    frame: &mut Frame<'_>,
    area: Rect,
    dashboard: &Dashboard,
    visible: &[&Row],
    chosen: Option<usize>,
    now: Timestamp,
) {
    let is_wide = area.width >= 110;
    let arrow = if dashboard.is_reversed { "▲" } else { "▼" };
    let title = |name: &str, order: Order| match dashboard.order == order && chosen.is_some() {
        true => format!("{name} {arrow}"),
        false => name.to_owned(),
    };
    let mut head = vec![
        title("NAME", Order::Name),
        title("PROJECT", Order::Project),
        title("SYNC", Order::Sync),
        title("HEALTH", Order::Health),
        "OPERATION".to_owned(),
        title("AGE", Order::Age),
    ];
    if is_wide {
        head.push("REVISION".to_owned());
        head.push("MESSAGE".to_owned());
    }
    let longest = visible.iter().map(|row| row.name.chars().count()).max().unwrap_or(4);
    let name_width = u16::try_from(longest.clamp(12, 48)).unwrap_or(48);
    let room = usize::from(area.width.saturating_sub(name_width + OTHER_COLUMNS_WIDTH));
    let rows = visible.iter().map(|row| {
        let mut cells = vec![
            Cell::from(row.name.as_str()).bold(),
            Cell::from(row.project.as_str()),
            Cell::from(format!("{} {}", sync_mark(&row.sync), row.sync)).fg(sync_color(&row.sync)),
            Cell::from(format!("{} {}", health_mark(&row.health), row.health)).fg(health_color(&row.health)),
            Cell::from(row.operation.as_str()).fg(operation_color(&row.operation)),
            Cell::from(age(row.since, now)),
        ];
        if is_wide {
            cells.push(Cell::from(short(&row.revision)).dim());
            cells.push(Cell::from(cut(&headline(row), room)).dim());
        }
        TableRow::new(cells)
    });
    let mut widths = vec![
        Constraint::Length(name_width),
        Constraint::Length(14),
        Constraint::Length(12),
        Constraint::Length(14),
        Constraint::Length(11),
        Constraint::Length(6),
    ];
    if is_wide {
        widths.push(Constraint::Length(10));
        widths.push(Constraint::Min(10));
    }
    let head = TableRow::new(head).style(Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED));
    let table = Table::new(rows, widths)
        .header(head)
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::default().with_selected(chosen);
    frame.render_stateful_widget(table, area, &mut state);
    if visible.is_empty() {
        let reason = if dashboard.all().next().is_none() {
            "No Application is here. `landfall app create` makes one."
        } else {
            "No Application passes the filter. Esc clears it."
        };
        let below = Rect { y: area.y.saturating_add(2), height: area.height.saturating_sub(2).min(1), ..area };
        frame.render_widget(Paragraph::new(reason).dim(), below);
    }
}

/// The first line of a text, with a mark where it is cut.
fn cut(text: &str, width: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.chars().count() > width || text.lines().nth(1).is_some() {
        true => line.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        false => line.to_owned(),
    }
}

/// The one sentence that says what is wrong.
fn headline(row: &Row) -> String {
    if let Some(condition) = row.conditions.first() {
        return condition.clone();
    }
    match row.operation.as_str() {
        "Failed" | "Error" | "Running" | "Terminating" => row.operation_message.clone(),
        _ => row
            .objects
            .iter()
            .map(|[_, _, _, message]| message)
            .find(|message| !message.is_empty())
            .cloned()
            .unwrap_or_default(),
    }
}

fn short(revision: &str) -> String {
    let is_commit = revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_commit { revision[..COMMIT_LETTERS].to_owned() } else { revision.to_owned() }
}

fn draw_detail(frame: &mut Frame<'_>, area: Rect, row: &Row) {
    let title = format!(" {}/{} ", row.namespace, row.name);
    let block = Block::new().borders(Borders::TOP).title(Span::from(title).bold());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [facts, objects] = Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(inner);
    let label = |name: &'static str, value: String| {
        Line::from(vec![Span::from(format!("{name:<12}")).dim(), Span::from(value)])
    };
    let mut lines = vec![
        label("destination", row.destination.clone()),
        label("revision", row.revision.clone()),
        label("policy", row.policy.clone()),
    ];
    lines.extend(row.sources.iter().map(|source| label("source", source.clone())));
    if !row.operation.is_empty() {
        lines.push(label("operation", format!("{} {}", row.operation, row.operation_message)));
    }
    lines.extend(
        row.conditions.iter().map(|condition| Line::from(Span::styled(condition.clone(), Style::new().fg(Color::Red)))),
    );
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), facts);
    // What is not as it should be, first.
    let mut listed: Vec<&[String; 4]> = row.objects.iter().collect();
    listed.sort_by_key(|[_, sync, health, _]| {
        let is_fine = matches!(sync.as_str(), "Synced" | "") && matches!(health.as_str(), "Healthy" | "");
        (is_fine, health == "Healthy")
    });
    let room = usize::from(objects.height);
    let cut = listed.len() > room && room > 0;
    let taken = if cut { room - 1 } else { listed.len() };
    let mut lines: Vec<Line<'_>> = listed
        .iter()
        .take(taken)
        .map(|[name, sync, health, message]| {
            Line::from(vec![
                Span::styled(format!("{} ", sync_mark(sync)), Style::new().fg(sync_color(sync))),
                Span::styled(
                    format!("{} ", if health.is_empty() { " " } else { health_mark(health) }),
                    Style::new().fg(health_color(health)),
                ),
                Span::from(name.as_str()),
                Span::from(if message.is_empty() { String::new() } else { format!("  {message}") }).dim(),
            ])
        })
        .collect();
    if cut {
        lines.push(Line::from(format!("and {} more", listed.len() - taken)).dim());
    }
    frame.render_widget(Paragraph::new(lines), objects);
}

fn footer(dashboard: &Dashboard) -> Line<'_> {
    if dashboard.is_filtering {
        return Line::from(vec![
            Span::from("/").bold(),
            Span::from(dashboard.filter.as_str()),
            Span::from("█"),
            Span::from("  Enter keeps it, Esc clears it; !WORD leaves out").dim(),
        ]);
    }
    if !dashboard.message.is_empty() {
        return Line::from(dashboard.message.as_str());
    }
    let filter = if dashboard.filter.is_empty() { String::new() } else { format!("filter: {}   ", dashboard.filter) };
    let keys = format!(
        "↑↓ choose   / filter   s sort: {}   o turn   Enter details   r refresh   ? help   q quit",
        dashboard.order.name()
    );
    Line::from(vec![Span::from(filter).bold(), Span::from(keys).dim()])
}

const HELP: [(&str, &str); 10] = [
    ("↑ ↓ k j", "choose an application"),
    ("PgUp PgDn g G", "choose further up or down"),
    ("/", "filter by words: name, project, state, cluster; !WORD leaves out"),
    ("Esc", "clear the filter, then quit"),
    ("s", "sort by trouble, name, project, sync, health, age"),
    ("o", "turn the order round"),
    ("Enter d", "show or hide details"),
    ("r", "have the chosen application compared anew"),
    ("?", "this"),
    ("q Ctrl-C", "quit"),
];

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let width = area.width.min(74);
    let height = area.height.min(12);
    let place = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    let lines: Vec<Line<'_>> = HELP
        .iter()
        .map(|(keys, meaning)| Line::from(vec![Span::from(format!(" {keys:<15}")).bold(), Span::from(*meaning)]))
        .collect();
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Keys ")), place);
}

#[cfg(test)]
mod tests {
    use super::super::dashboard::Key;
    use super::super::dashboard::tests::application;
    use super::*;

    fn drawn(dashboard: &Dashboard, width: u16, height: u16) -> String {
        let now: Timestamp = "2026-01-01T02:00:00Z".parse().unwrap();
        let mut terminal = ratatui::Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| picture(frame, dashboard, now)).unwrap();
        terminal.backend().to_string()
    }

    fn dashboard() -> Dashboard {
        let mut dashboard = Dashboard::of("https://cd.example.com", "");
        dashboard.replace(vec![
            application("shop", "team", "OutOfSync", "Degraded", "Failed"),
            application("blog", "team", "Synced", "Healthy", "Succeeded"),
        ]);
        dashboard
    }

    #[test]
    fn the_picture_tells_counts_states_and_what_is_wrong() {
        let text = drawn(&dashboard(), 140, 30);
        for wanted in [
            "2 applications",
            "1 Degraded",
            "✖ Degraded",
            "≠ OutOfSync",
            "SyncError: see there",
            "01234567",
            "1h",
            "Deployment shop/web  waiting",
        ] {
            assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
        }
        assert!(text.find("shop").unwrap() < text.find("blog").unwrap(), "trouble first:\n{text}");
    }

    #[test]
    fn a_picture_is_drawn_in_every_size_and_state() {
        let mut dashboard = dashboard();
        for (width, height) in [(1, 1), (10, 3), (40, 10), (80, 24), (300, 100)] {
            drawn(&dashboard, width, height);
        }
        dashboard.press(Key::Letter('?'));
        assert!(drawn(&dashboard, 80, 24).contains("turn the order round"));
        drawn(&dashboard, 5, 2);
        dashboard.press(Key::Escape);
        dashboard.press(Key::Letter('/'));
        "zzz".chars().for_each(|letter| drop(dashboard.press(Key::Letter(letter))));
        assert!(drawn(&dashboard, 80, 24).contains("No Application passes the filter"));
        dashboard.replace(Vec::new());
        assert!(drawn(&dashboard, 80, 24).contains("No Application is here"));
    }

    #[test]
    fn without_a_terminal_it_is_text_with_every_row() {
        let now: Timestamp = "2026-01-01T02:00:00Z".parse().unwrap();
        let text = text(&dashboard(), 80, now);
        assert!(text.contains("shop") && text.contains("blog") && !text.contains("quit"), "{text}");
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
    }
}
