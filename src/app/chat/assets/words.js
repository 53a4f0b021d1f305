// Every word of the page, in both languages.

export const words = {
  en: {
    title: "Chat room", language: "中文", otherLanguage: "Switch to Chinese", theme: "Dark or light",
    leave: "Leave", here: "Here now", to: "To", everyone: "everyone", send: "Send", message: "Message",
    log: "What was said", newer: "↓ Newer messages", name: "Your name", token: "Admin token", enter: "Enter",
    welcome: "Welcome", intro: "Choose a name that nobody else has.",
    lesson: "Each person is served by one of several worker processes. They share no memory, and yet this is one room.",
    connecting: "connecting…", lost: "Connection lost. Reconnecting…", live: (via) => `served by worker ${via.slot} (pid ${via.pid})`,
    joined: (name) => `${name} came in`, left: (name) => `${name} left`, you: "you", toYou: "to you", worker: (slot) => `worker ${slot}`,
    doors: { browser: "browser", lines: "TCP", udp: "UDP", admin: "admin" },
    again: "You were away for too long: come in again.", slow: "This page was too slow for the room and was reconnected.",
    failed: "not sent", count: (count) => String(count),
  },
  zh: {
    title: "群聊聊天室", language: "English", otherLanguage: "切换到英文", theme: "深色或浅色",
    leave: "退出", here: "在场", to: "发给", everyone: "所有人", send: "发送", message: "说点什么",
    log: "聊天记录", newer: "↓ 新消息", name: "你的名字", token: "管理员口令", enter: "进入",
    welcome: "欢迎", intro: "请取一个别人没有用的名字。",
    lesson: "每个人由若干工作进程中的一个服务。进程之间不共享内存，但大家在同一个聊天室里。",
    connecting: "正在连接…", lost: "连接断开，正在重连…", live: (via) => `由 ${via.slot} 号工作进程服务（pid ${via.pid}）`,
    joined: (name) => `${name} 进入了聊天室`, left: (name) => `${name} 退出了聊天室`, you: "你", toYou: "发给你", worker: (slot) => `${slot} 号进程`,
    doors: { browser: "浏览器", lines: "TCP", udp: "UDP", admin: "管理员" },
    again: "你离开太久了，请重新进入。", slow: "本页面接收太慢，已重新连接。",
    failed: "未发送", count: (count) => `${count} 人`,
  },
};
