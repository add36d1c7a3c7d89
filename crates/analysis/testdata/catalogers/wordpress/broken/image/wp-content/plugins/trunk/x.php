<?php
/* Plugin Name: Trunk */
