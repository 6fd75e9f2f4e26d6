//go:build !linux

package postgres

import "syscall"

// attributes of a child: user, and an own process group (a Ctrl-C at the terminal is for us alone).
// There is no signal at the death of the parent here: the next start stops what was left behind.
func attributes(credential *syscall.Credential, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: credential, Setpgid: true}
}
