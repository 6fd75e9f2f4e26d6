// Command bench measures mxdesk and tries to break its promises, on this machine, over loopback:
//
//	go run ./bench torture       kill mxdesk and PostgreSQL under load, then count
//	go run ./bench torture-out   the same for letters out, with two nodes and a receiver that misbehaves
//	go run ./bench bench         letters in and out beside Debian's Postfix, one round after the other
//	go run ./bench attack        play every known pitfall of a mail server, and report what held
//	go run ./bench conformance   test suites, signers and verifiers of others
//
// `./dev torture`, `./dev bench`, `./dev attack` and `./dev conformance` build mxdesk and this program and run it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

type cli struct {
	Mxdesk string `default:".build/mxdesk" type:"path" help:"The program to measure."`

	Torture    tortureCmd    `cmd:"" help:"Kill mxdesk and PostgreSQL under load, then count what was acknowledged."`
	TortureOut tortureOutCmd `cmd:"" help:"Kill two mxdesk nodes and PostgreSQL while they deliver to a bad receiver, then count what came."`
	Bench      benchCmd      `cmd:"" help:"Letters in and out beside Debian's Postfix."`
	Attack     attackCmd     `cmd:"" help:"Play every known pitfall of a mail server against a running mxdesk."`

	Conformance conformanceCmd `cmd:"" help:"Hold mxdesk against the programs and test suites of others."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if addr := os.Getenv(discardEnv); addr != "" {
		if err := serveDiscard(ctx, addr); err != nil {
			fmt.Fprintln(os.Stderr, "bench: discard:", err)
			os.Exit(1)
		}
		return
	}
	var c cli
	parsed := kong.Parse(&c, kong.Name("bench"), kong.BindTo(ctx, (*context.Context)(nil)))
	if err := parsed.Run(&c); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
