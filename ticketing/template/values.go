package template

// Values is everything that the masks of one letter can say. Missing values are empty and render as nothing.
// Lines and texts are plain; whoever fills them need not escape.
type Values struct {
	Staff bool // the reader is staff; only then staff-only fields are shown

	TicketID  int64
	Subject   string
	Category  string
	Priority  string
	Status    string
	Via       string
	Date      string // when the ticket was made, as the reader should see it
	DueDate   string
	TimeSpent string
	URL       string // of the ticket; with autologin only for the customer it is for

	WhatHappened string // the notification's main text
	Originator   string // who did it
	Body         string // the words that the event is about, or the ticket's first ones
	BodyHTML     string // the same words as HTML that is safe and closes what it opens; "": made of Body

	From       string // the requester's full name; "" falls back to Username
	FromEmail  string
	FirstName  string
	LastName   string
	Username   string
	Company    string
	Department string
	Location   string

	Technician         string
	TechnicianEmail    string
	Recipients         string // names of those told
	Subscribers        string
	NonTechSubscribers string

	Recent            []Message // newest first; Template.Recent says how many are wanted
	Fields            []Field
	Attachments       []Link
	RecentAttachments []Link // of the last message
	Articles          []Link // similar ones of the knowledge base

	Rating      Rating
	Unsubscribe string // link that works without a login
	Password    string // one-time code of the welcome mail, or of a question to staff
}

// Message is one entry of a ticket.
type Message struct {
	Author   string
	When     string
	Text     string
	Internal bool // never rendered: Recent_messages are public ones
}

// Field is the value of one custom field.
type Field struct {
	ID     int64
	Name   string
	Value  string
	Public bool
}

// Link is something to open, with the name to show. Without URL only the name is shown.
type Link struct {
	Name string
	URL  string
}

// Rating holds the three links by which a requester judges; all empty when there is nothing to judge.
type Rating struct {
	Good string
	OK   string
	Bad  string
}
