// Package all is the one list of the providers that are built in. A new
// provider is a folder beside this one and one line here.
package all

import (
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/ahasend"
	"github.com/postrider/postrider/internal/provider/azure"
	"github.com/postrider/postrider/internal/provider/brevo"
	"github.com/postrider/postrider/internal/provider/cloudevents"
	"github.com/postrider/postrider/internal/provider/cmcom"
	"github.com/postrider/postrider/internal/provider/customerio"
	"github.com/postrider/postrider/internal/provider/elasticemail"
	"github.com/postrider/postrider/internal/provider/emailit"
	"github.com/postrider/postrider/internal/provider/jetemail"
	"github.com/postrider/postrider/internal/provider/lettermint"
	"github.com/postrider/postrider/internal/provider/loops"
	"github.com/postrider/postrider/internal/provider/mailersend"
	"github.com/postrider/postrider/internal/provider/mailgun"
	"github.com/postrider/postrider/internal/provider/mailjet"
	"github.com/postrider/postrider/internal/provider/mailomat"
	"github.com/postrider/postrider/internal/provider/mailtrap"
	"github.com/postrider/postrider/internal/provider/mandrill"
	"github.com/postrider/postrider/internal/provider/postal"
	"github.com/postrider/postrider/internal/provider/postmark"
	"github.com/postrider/postrider/internal/provider/resend"
	"github.com/postrider/postrider/internal/provider/scaleway"
	"github.com/postrider/postrider/internal/provider/sendgrid"
	"github.com/postrider/postrider/internal/provider/ses"
	"github.com/postrider/postrider/internal/provider/smtp2go"
	"github.com/postrider/postrider/internal/provider/sparkpost"
	"github.com/postrider/postrider/internal/provider/standardwebhooks"
	"github.com/postrider/postrider/internal/provider/sweego"
	"github.com/postrider/postrider/internal/provider/unisender"
	"github.com/postrider/postrider/internal/provider/vfs"
	"github.com/postrider/postrider/internal/provider/zeptomail"
)

// Definitions returns the built-in providers in the order in which they are shown.
func Definitions() []provider.Definition {
	return []provider.Definition{
		vfs.Definition(),
		cmcom.Definition(),
		jetemail.Definition(),
		ses.Definition(),
		sendgrid.Definition(),
		mailgun.Definition(),
		mailtrap.Definition(),
		azure.Definition(),
		customerio.Definition(),
		zeptomail.Definition(),
		mailersend.Definition(),
		postmark.Definition(),
		brevo.Definition(),
		resend.Definition(),
		mandrill.Definition(),
		mailjet.Definition(),
		sparkpost.Definition(),
		postal.Definition(),
		scaleway.Definition(),
		loops.Definition(),
		lettermint.Definition(),
		ahasend.Definition(),
		emailit.Definition(),
		sweego.Definition(),
		mailomat.Definition(),
		cloudevents.Definition(),
		standardwebhooks.Definition(),
		unisender.Definition(),
		smtp2go.Definition(),
		elasticemail.Definition(),
	}
}

// Lookup returns the provider with this id.
func Lookup(id string) (provider.Definition, bool) {
	for _, d := range Definitions() {
		if d.ID == id {
			return d, true
		}
	}
	return provider.Definition{}, false
}
