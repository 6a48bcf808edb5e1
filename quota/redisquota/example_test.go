package redisquota_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/mailtether/mailtether/mailbox"
	"github.com/mailtether/mailtether/quota"
	"github.com/mailtether/mailtether/quota/redisquota"
)

func Example() {
	server, err := miniredis.Run() // a host has a Redis
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	defer client.Close()
	store, err := redisquota.New(client, redisquota.Options{})
	if err != nil {
		log.Fatal(err)
	}
	sends, err := quota.NewSends(quota.SendsConfig{Store: store.Sends()})
	if err != nil {
		log.Fatal(err)
	}

	// Every process of the host sees the same place taken.
	message := quota.SendRequest{
		Ref:      mailbox.Ref{Tenant: "acme", Mailbox: "42"},
		Provider: mailbox.Gmail, Key: "welcome-1",
	}
	reservation, decision, err := sends.Reserve(context.Background(), message)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(decision.Allowed, reservation.ID)
	// Output: true welcome-1
}

func ExampleStore_Check() {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	defer client.Close()
	store, err := redisquota.New(client, redisquota.Options{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var problems *redisquota.CheckError
	if err := store.Check(ctx); errors.As(err, &problems) {
		for _, p := range problems.Problems {
			log.Println(p)
		}
	} else if err != nil {
		log.Println(err) // it does not answer
	}
}
