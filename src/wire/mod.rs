//! FTP without sockets: replies, commands, addresses and the dialogues as state machines.
