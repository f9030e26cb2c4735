//! The terminal: sentences that stay, and below them a table that is redrawn in place. Without a
//! terminal there is no table, and what changes in it is said in lines.

use std::{
    io::{IsTerminal, Write, stdout},
    time::Instant,
};

/// As wide as people like to read.
const WIDTH: usize = 110;

pub(crate) struct Screen {
    is_terminal: bool,
    drawn: Vec<String>,
    began: Instant,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { is_terminal: stdout().is_terminal(), drawn: Vec::new(), began: Instant::now() }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// A sentence that introduces what comes next.
    pub(crate) fn step(&mut self, sentence: &str) {
        if self.is_terminal {
            self.print(&format!("\n\x1b[1m{sentence}\x1b[0m\n"));
        } else {
            self.print(&format!("\n== {sentence}\n"));
        }
    }

    /// Text as it is, indented.
    pub(crate) fn show(&mut self, text: &str) {
        let lines: String = text.trim_end().lines().map(|line| format!("   {line}\n")).collect();
        self.print(&lines);
    }

    /// Text to be read, in lines that are not too long for that.
    pub(crate) fn tell(&mut self, text: &str) {
        let lines: Vec<String> = text.lines().flat_map(wrapped).collect();
        self.show(&lines.join("\n"));
    }

    /// A change, with its time.
    pub(crate) fn note(&mut self, line: &str) {
        if !self.is_terminal {
            let seconds = self.seconds();
            self.print(&format!("{seconds:>6.1} s  {line}\n"));
        }
    }

    /// Redraws the table.
    pub(crate) fn draw(&mut self, lines: &[String]) {
        if self.is_terminal {
            let drawn = std::mem::replace(&mut self.drawn, lines.to_vec());
            write(&format!("{}{}", erased(&drawn), unwrapped(lines)));
        }
    }

    /// The table goes, the last one stays to be read.
    pub(crate) fn leave_table(&mut self) {
        self.drawn.clear();
    }

    fn print(&mut self, text: &str) {
        write(&format!("{}{text}{}", erased(&self.drawn), unwrapped(&self.drawn)));
    }
}

/// A line in as many lines as it takes; those after the first are indented a little more than it
/// is.
fn wrapped(line: &str) -> Vec<String> {
    let indent = line.len() - line.trim_start().len();
    let mut lines = vec![" ".repeat(indent)];
    for word in line.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].len() + word.len() > WIDTH && !lines[last].trim().is_empty() {
            lines.push(format!("{}{word}", " ".repeat(indent + 3)));
        } else {
            let gap = if lines[last].trim().is_empty() { "" } else { " " };
            lines[last].push_str(&format!("{gap}{word}"));
        }
    }
    lines
}

/// Goes up over the lines that were drawn and clears what is below.
fn erased(drawn: &[String]) -> String {
    if drawn.is_empty() { String::new() } else { format!("\x1b[{}F\x1b[J", drawn.len()) }
}

/// Lines that the terminal cuts off instead of wrapping: a wrapped line would be two to go up.
fn unwrapped(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("\x1b[?7l{}\n\x1b[?7h", lines.join("\n")) }
}

/// Writes to the terminal. A closed terminal is ignored, so that the demo runs to its end.
fn write(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
