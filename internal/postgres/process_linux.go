package postgres

import "syscall"

// attributes of a child: user, an own process group (a Ctrl-C at the terminal is for us alone), and
// the signal it gets when we are killed.
func attributes(credential *syscall.Credential, whenWeDie syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: credential, Setpgid: true, Pdeathsig: whenWeDie}
}
