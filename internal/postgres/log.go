package postgres

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
)

// maxLogLine is how much of one line of the server is kept, in octets.
const maxLogLine = 8 << 10

// logWriter turns what postgres writes to its standard error into log records, one a line.
type logWriter struct {
	logger  *slog.Logger
	partial []byte     // a line whose end has not come
	level   slog.Level // of the message that the last lines belong to

	routine atomic.Bool // the server starts or stops: what it reports about that is for debugging

	mu        sync.Mutex
	complaint string // the last FATAL or PANIC message
}

// Write takes any part of the server's output; it never fails.
func (w *logWriter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		line, rest, complete := bytes.Cut(b, []byte{'\n'})
		b = rest
		room := max(maxLogLine-len(w.partial), 0)
		w.partial = append(w.partial, line[:min(len(line), room)]...)
		if complete {
			w.flush()
		}
	}
	return n, nil
}

// flush logs the line so far.
func (w *logWriter) flush() {
	if len(w.partial) == 0 {
		return
	}
	severity, text := splitLine(string(w.partial))
	w.partial = w.partial[:0]
	if level, begins := levels[severity]; begins {
		w.level = level
		if severity == "LOG" && w.routine.Load() {
			w.level = slog.LevelDebug
		}
	}
	if severity == "FATAL" || severity == "PANIC" {
		w.mu.Lock()
		w.complaint = text
		w.mu.Unlock()
	}
	w.logger.LogAttrs(context.Background(), w.level, text, slog.String("from", "PostgreSQL"), slog.String("severity", severity))
}

// lastComplaint is the last message of severity FATAL or PANIC.
func (w *logWriter) lastComplaint() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.complaint
}

// levels knows the severities that begin a message. FATAL ends one connection and is mostly a
// client's affair; ERROR is reported by the part of the program whose statement failed.
var levels = map[string]slog.Level{
	"LOG": slog.LevelInfo, "NOTICE": slog.LevelInfo, "INFO": slog.LevelInfo,
	"WARNING": slog.LevelWarn, "ERROR": slog.LevelWarn, "FATAL": slog.LevelWarn, "PANIC": slog.LevelError,
	"DEBUG1": slog.LevelDebug, "DEBUG2": slog.LevelDebug, "DEBUG3": slog.LevelDebug, "DEBUG4": slog.LevelDebug, "DEBUG5": slog.LevelDebug,
}

// splitLine takes "LOG:  text" apart. Lines that follow a message have another severity (DETAIL,
// HINT, STATEMENT, …) or none.
func splitLine(line string) (severity, text string) {
	severity, text, found := strings.Cut(line, ":  ")
	if !found || strings.Trim(severity, "ABCDEFGHIJKLMNOPQRSTUVWXYZ12345") != "" {
		return "", strings.TrimSpace(line)
	}
	return severity, strings.TrimSpace(text)
}
