// Waits until a socket is open, with every listener taken back: a socket is handed on as if nobody had waited for it.
import type { Socket } from 'node:net';

/** Rejects with the socket's error, or with the signal's reason after breaking the socket off. */
export function opened(socket: Socket, event: 'connect' | 'secureConnect', stop: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      socket.off(event, onOpen).off('error', settle).off('close', onClose);
      stop.removeEventListener('abort', onStop);
      if (error === undefined) return resolve();
      socket.destroy();
      reject(error);
    };
    const onOpen = () => settle();
    const onClose = () => settle(new Error('closed before it was open'));
    const onStop = () => settle(stop.reason);
    // Stays for good: an error between two owners of a socket must not end the process.
    socket.on('error', ignore);
    socket.on(event, onOpen).on('error', settle).on('close', onClose);
    stop.addEventListener('abort', onStop, { once: true });
    if (stop.aborted) onStop();
  });
}

function ignore(): void {}
