//! What the room says to people, in English and in Chinese.

use super::store::{Door, Line, Member, Refusal, What};
use crate::protocol::chat::{Name, Text, Wrong};

/// A language of the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// English.
    En,
    /// Simplified Chinese.
    Zh,
}

impl Lang {
    /// One of the two texts: none is ever written in one language alone.
    fn pick(self, english: impl Into<String>, chinese: impl Into<String>) -> String {
        match self {
            Self::En => english.into(),
            Self::Zh => chinese.into(),
        }
    }

    /// Why something was not done, and what to do instead.
    pub fn refusal(self, refusal: &Refusal) -> String {
        match refusal {
            Refusal::Wrong(wrong) => self.wrong(*wrong),
            Refusal::Taken(name) => self.pick(
                format!("the name {name} is taken: choose another one"),
                format!("名字 {name} 已被使用，请换一个"),
            ),
            Refusal::Stranger => {
                self.pick("you are not in the room: come in first", "你不在聊天室里，请先登录")
            }
            Refusal::NotYou(name) => self.pick(
                format!("you are not {name}: speak for yourself"),
                format!("你不是 {name}，不能冒充别人"),
            ),
            Refusal::Already(name) => self.pick(
                format!("you are in already, as {name}: leave first"),
                format!("你已经以 {name} 的名字登录，请先退出"),
            ),
            Refusal::Nobody(name) => {
                self.pick(format!("nobody here is called {name}"), format!("聊天室里没有 {name}"))
            }
            Refusal::Full => {
                self.pick("the room is full by this door: try again later", "人数已满，请稍后再试")
            }
            Refusal::Token => self.pick("that is not the admin's token", "管理员口令不正确"),
            Refusal::TooFast(unsaid, _) => {
                let seconds = refusal.seconds().unwrap_or(1);
                let (lines, were) = if *unsaid == 1 { ("line", "was") } else { ("lines", "were") };
                self.pick(
                    format!("slow down: {unsaid} {lines} {were} not said, go on in {seconds} s"),
                    format!("慢一点：有 {unsaid} 行没有发出，请 {seconds} 秒后再发"),
                )
            }
            Refusal::Trouble(_) => {
                self.pick("the room has a problem: try again in a moment", "聊天室暂时出了问题，请稍后再试")
            }
        }
    }

    fn wrong(self, wrong: Wrong) -> String {
        let (most, bytes) = (Name::LONGEST, Text::LONGEST);
        match wrong {
            Wrong::Grammar => self.pick(
                "cannot understand that: write `L name`, `C name text` or `Q name`",
                "看不懂：请写 `L 名字`、`C 名字 内容` 或 `Q 名字`",
            ),
            Wrong::Document => self.pick("that is not the document that it should be", "请求的格式不正确"),
            Wrong::Utf8 => self.pick("that is not UTF-8, or was cut in two", "不是完整的 UTF-8 文字"),
            Wrong::NameEmpty => self.pick("a name is missing", "缺少名字"),
            Wrong::NameLong => {
                self.pick(format!("a name has at most {most} characters"), format!("名字最多 {most} 个字符"))
            }
            Wrong::NameCharacter => self.pick(
                "a name has no blanks, no colon, no slash, and nothing that cannot be seen",
                "名字里不能有空格、冒号、斜杠或看不见的字符",
            ),
            Wrong::NameReserved => {
                self.pick("that name is reserved for the admin", "这个名字只能由管理员使用")
            }
            Wrong::TextEmpty => self.pick("there is no text", "没有内容"),
            Wrong::TextLong => {
                self.pick(format!("a line has at most {bytes} bytes"), format!("一行最多 {bytes} 个字节"))
            }
        }
    }

    /// A line as one of text, for a member of this number; nothing for a line that is not worth one.
    pub fn line(self, line: &Line, reader: u64) -> Option<String> {
        let Line { name, door, via, .. } = line;
        Some(match &line.what {
            What::Said(text) => format!("{name}: {text}"),
            What::Told { name: to, text, .. } if line.member == reader => {
                self.pick(format!("you -> {to}: {text}"), format!("你 -> {to}：{text}"))
            }
            What::Told { text, .. } => {
                self.pick(format!("{name} -> you: {text}"), format!("{name} -> 你：{text}"))
            }
            What::Joined => {
                let (english, chinese) = self::door(*door);
                self.pick(
                    format!("* {name} came in ({english}, {via})"),
                    format!("* {name} 进入了聊天室（{chinese}，{via}）"),
                )
            }
            What::Left => self.pick(format!("* {name} left"), format!("* {name} 退出了聊天室")),
            What::Moved => return None,
        })
    }

    /// Who is here, in one line.
    pub fn present(self, members: &[Member]) -> String {
        let one = |member: &Member| {
            let (english, chinese) = door(member.door);
            let door = self.pick(english, chinese);
            format!("{} ({door}, {})", member.name, member.via)
        };
        let all: Vec<_> = members.iter().map(one).collect();
        let count = members.len();
        let all = all.join(", ");
        self.pick(format!("* here are {count}: {all}"), format!("* 在场 {count} 人：{all}"))
    }

    /// What a stranger at the door of lines reads first.
    pub fn ask_name(self) -> String {
        self.pick("* your name?", "* 请输入你的名字：")
    }

    /// What a new member reads first.
    pub fn welcome(self, name: &Name) -> String {
        self.pick(
            format!("* welcome, {name}: each line that you write goes to all (/help)"),
            format!("* 欢迎，{name}：你写的每一行都会发给所有人（/help 看帮助）"),
        )
    }

    /// The commands at the door of lines.
    pub fn help(self) -> String {
        self.pick(
            "* /who: who is here · /to NAME text: to one alone · /quit: leave · //text: a line that begins with /",
            "* /who：谁在这里 · /to 名字 内容：私信 · /quit：退出 · //内容：以 / 开头的一行",
        )
    }

    /// For a command that there is not.
    pub fn unknown(self) -> String {
        self.pick("there is no such command: /help tells which there are", "没有这个命令：/help 看帮助")
    }

    /// Before what was said earlier.
    pub fn earlier(self) -> String {
        self.pick("* earlier:", "* 之前的消息：")
    }

    /// The last word to one who reads too slowly.
    pub fn too_slow(self, behind: u64) -> String {
        self.pick(
            format!("you are {behind} lines behind: the room goes on without you, come in again"),
            format!("你落后了 {behind} 行，连接已断开，请重新进入"),
        )
    }

    /// The last word of a worker that is being replaced.
    pub fn closing(self) -> String {
        self.pick("this worker retires: connect again", "这个工作进程即将退出，请重新连接")
    }

    /// The last word to one who said nothing for too long.
    pub fn silent(self) -> String {
        self.pick("you said nothing for a long time, and were let go", "你太久没有说话，已退出聊天室")
    }

    /// The last word to one who never said a name.
    pub fn no_name(self) -> String {
        self.pick("no name came", "没有收到名字")
    }

    /// The last word to one who leaves.
    pub fn bye(self) -> String {
        self.pick("goodbye", "再见")
    }
}

/// A door in both languages.
fn door(door: Door) -> (&'static str, &'static str) {
    match door {
        Door::Browser => ("browser", "浏览器"),
        Door::Lines => ("TCP", "TCP"),
        Door::Datagrams => ("UDP", "UDP"),
        Door::Admin => ("admin", "管理员"),
    }
}
