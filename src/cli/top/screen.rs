//! The terminal while the view has it: raw, on its other screen, without a cursor, and given back whatever happens.

use std::{
    io::{self, Stdout},
    panic,
};

use ratatui::{
    Frame, Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor, execute,
        terminal::{
            BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
            disable_raw_mode, enable_raw_mode,
        },
    },
};

/// A terminal that the view has taken. Dropping it gives the terminal back.
pub struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes the terminal; a panic from here on gives it back before it speaks.
    ///
    /// # Errors
    /// When standard output is no terminal, or has gone.
    pub fn take() -> io::Result<Self> {
        let speak = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            give_back();
            speak(panic);
        }));
        let screen = Self(Terminal::new(CrosstermBackend::new(io::stdout()))?);
        enter()?;
        Ok(screen)
    }

    /// Draws what has changed, in one go where the terminal knows how to: nothing flickers.
    pub fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        execute!(io::stdout(), BeginSynchronizedUpdate)?;
        self.0.draw(view)?;
        execute!(io::stdout(), EndSynchronizedUpdate)
    }

    /// Gives the terminal back while `away` runs, and takes it again: for a job that is stopped and goes on.
    pub fn leave_for(&mut self, away: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        give_back();
        away()?;
        self.again()
    }

    /// Takes the terminal again: somebody else may have changed it.
    pub fn again(&mut self) -> io::Result<()> {
        enter()?;
        self.0.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)
}

/// There is nobody to tell if this fails: the terminal is gone then.
fn give_back() {
    let _ = execute!(io::stdout(), EndSynchronizedUpdate, LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
}
