DROP TABLE notification;
