package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"mime"
	"net"
	"os"
	"time"

	"mxdesk/internal/address"
	"mxdesk/internal/id"
	"mxdesk/internal/message"
	"mxdesk/outbound/smtpclient"
)

type sendCmd struct {
	Server  string `default:"127.0.0.1:2525" help:"HOST:PORT of the server."`
	From    string `required:"" help:"Sender, envelope and header."`
	To      string `required:"" help:"Recipient."`
	Subject string `default:"A question" help:"Subject."`
	Text    string `arg:"" optional:"" default:"Hello, can you help me?" help:"The words; - reads them from standard input."`
}

// Run sends one letter and prints the server's answer.
func (c sendCmd) Run(e *environment) error {
	from, err := address.Parse(c.From)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	to, err := address.Parse(c.To)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	text := []byte(c.Text)
	if c.Text == "-" {
		if text, err = io.ReadAll(io.LimitReader(os.Stdin, 20<<20)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(e.ctx, 5*time.Minute)
	defer cancel()
	e.progress.set("talks to %s", c.Server)
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.Server)
	if err != nil {
		return err
	}
	client, err := smtpclient.Connect(ctx, conn, smtpclient.Config{Name: "localhost", TLS: smtpclient.TLSNone})
	if err != nil {
		return err
	}
	defer client.Quit(ctx)
	result := client.Send(ctx, smtpclient.Envelope{From: from, Recipients: []address.Address{to}}, c.letter(from, to, text))
	fate := result.Recipients[0]
	said := fate.Reply.String()
	if fate.Status != smtpclient.Delivered {
		if said == "" {
			return fmt.Errorf("%s did not take the letter: %w", c.Server, cmp.Or(fate.Err, result.Err))
		}
		return fmt.Errorf("%s did not take the letter: %s", c.Server, said)
	}
	_, err = fmt.Fprintln(e.stdout, said)
	return err
}

func (c sendCmd) letter(from, to address.Address, text []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@localhost>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
		from, to, mime.QEncoding.Encode("utf-8", message.CleanLine(c.Subject)), time.Now().Format(time.RFC1123Z), id.New())
	text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	b.Write(text)
	b.WriteString("\r\n")
	return b.Bytes()
}
