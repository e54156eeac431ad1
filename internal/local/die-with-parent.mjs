// Preloaded (`node --import`) into a child that must not outlive its parent. The two share an IPC channel that nobody
// writes to; the parent closes it to ask the child to stop, and the system does when the parent is gone, even by SIGKILL.
// Either way the child drains as on Ctrl-C.

process.once('disconnect', () => {
  // Emitted, not sent: on Windows a sent signal only kills. Nobody listens yet while the child is still loading.
  if (!process.emit('SIGINT', 'SIGINT')) process.exit(1);
});
// The listener alone must not keep a child alive that has nothing left to do.
process.channel?.unref();
