"""Readings that others deliver, over HTTP or MQTT.

`receiver` knows which endpoints expect one and hands it to the loop. `samples` judges mails of one
endpoint together.
"""
