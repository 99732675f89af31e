*** Settings ***
Library    flowable.rpaframework_client.API

*** Tasks ***
Greet
    ${customer}=    flw input    customer
    flw output    greeting    Hello ${customer}
